#!/usr/bin/perl
# A client on SOAP::WSDL, whose classes wsdl2perl makes of the WSDL. It takes the port of SOAP 1.1.
use strict;
use warnings;
use utf8;
use lib "lib";
use Digest::SHA qw(sha1);
use MIME::Base64 qw(encode_base64);
use MyInterfaces::Chat::ChatSoap11;
use POSIX qw(strftime);
use SOAP::WSDL;

# The generated type map has classes for the declared faults, but not their places: they are skipped, and named.
package Typemap;
our @ISA = "MyTypemaps::Chat";
our $refusal;
sub get_class {
    my ($class, $path) = @_;
    return $class->SUPER::get_class($path) unless @$path > 2 && "@$path[0, 1]" eq "Fault detail";
    $refusal = $path->[2] if @$path == 3;
    return "__SKIP__";
}

# The header that proves the token, good for one call.
package Proof;
sub new { my ($class, @who) = @_; return bless {@who}, $class }
sub serialize_qualified {
    my ($self) = @_;
    my ($nonce, $created) = (join("", map { chr int rand 256 } 1 .. 16), main::strftime("%Y-%m-%dT%H:%M:%SZ", gmtime));
    my $digest = main::encode_base64(main::sha1($nonce . $created . $self->{token}), "");
    my $once   = main::encode_base64($nonce, "");
    my $wss    = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss";
    return <<"END";
<w:Security xmlns:w="$wss-wssecurity-secext-1.0.xsd" xmlns:u="$wss-wssecurity-utility-1.0.xsd"><w:UsernameToken>
<w:Username>$self->{nick}</w:Username><w:Password Type="$wss-username-token-profile-1.0#PasswordDigest">$digest</w:Password>
<w:Nonce>$once</w:Nonce><u:Created>$created</u:Created></w:UsernameToken></w:Security>
END
}

package main;

my ($host, $port, $nick, $token) = @ARGV;
my $chat = MyInterfaces::Chat::ChatSoap11->new(
    { proxy => ["http://$host:$port/soap", timeout => 30], class_resolver => "Typemap" });
$| = 1;

sub hex_of { my $text = "$_[0]"; utf8::encode($text); return unpack "H*", $text }    # a value is an object

sub call {
    my ($operation, $fields) = @_;
    my $answer = $chat->$operation($fields, Proof->new(nick => $nick, token => $token));
    die $answer->get_faultstring unless $answer;    # a fault is false
    return $answer;
}

# Prints the fault that refuses a join, in the way of the room's codes.
sub refused {
    my ($step, $as, @proof) = @_;
    $chat->Join({ room => "lab", nick => $as }, @proof);
    print $step, " ", lc($Typemap::refusal =~ s/\B([A-Z])/_$1/gr), "\n";
}

sub said {
    my ($page) = @_;
    return grep { $_->get_kind eq "sent" } @{ $page->get_event // [] };
}

print "version $SOAP::WSDL::VERSION\n";
refused("token", $nick);
refused("refused", "ann", Proof->new(nick => $nick, token => $token));
my $seat = call("Join", { room => "lab", nick => $nick });
my @key  = (seatKey => $seat->get_seatKey);
print join(" ", "members", sort map { $_->get_nick } @{ call("Members", {@key})->get_member }), "\n";
my $last = (said(call("Fetch", { @key, after => $seat->get_start, limit => 200, wait => 0 })))[-1];
print "reads ", hex_of($last->get_text), "\n";
my @older = said(call("Fetch", { @key, before => $last->get_seq, limit => 2, wait => 0 }));
print join(" ", "history", map { hex_of($_->get_text) } @older), "\n";

my $id = call("Send", { @key, n => 1, text => "ä 漢字\n&<>" })->get_seq;
print "waiting\n";
my ($later) = said(call("Fetch", { @key, after => $id, limit => 200, wait => 20 }));
print "waits ", hex_of($later->get_text), "\n";
call("Edit", { @key, n => 2, id => $id, text => "漢字 ä\n<&>" });
call("Delete", { @key, n => 3, id => $id });
call("Leave", {@key});
