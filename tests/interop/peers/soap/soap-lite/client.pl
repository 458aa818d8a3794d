#!/usr/bin/perl
# A client on SOAP::Lite, without the WSDL: its service() fails at named types of elements.
use strict;
use warnings;
use utf8;
use Digest::SHA qw(sha1);
use MIME::Base64 qw(encode_base64);
use POSIX qw(strftime);
use SOAP::Lite;

my ($host, $port, $nick, $token) = @ARGV;
my $wss  = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss";
my $chat = SOAP::Lite->proxy("http://$host:$port/soap", timeout => 30)->default_ns("urn:chat:v1");
$chat->on_action(sub { qq{"$_[1]"} });
$chat->on_fault(sub { $_[1] });    # a fault is returned, and not thrown
$| = 1;

sub hex_of { my ($text) = @_; utf8::encode($text); return unpack "H*", $text }

# Returns the header that proves the token.
sub security {
    my ($nonce, $created) = (join("", map { chr int rand 256 } 1 .. 16), strftime("%Y-%m-%dT%H:%M:%SZ", gmtime));
    my $digest = encode_base64(sha1($nonce . $created . $token), "");
    my $tag    = sub { my ($ns, $name, @value) = @_; SOAP::Data->name($name)->uri("$wss-wssecurity-$ns-1.0.xsd")->type("string")->value(@value) };
    my $proof  = $tag->("secext", "Password", $digest)->attr({ Type => "$wss-username-token-profile-1.0#PasswordDigest" });
    return SOAP::Header->name("Security")->uri("$wss-wssecurity-secext-1.0.xsd")->value(\SOAP::Data->name("UsernameToken")
        ->uri("$wss-wssecurity-secext-1.0.xsd")->value(\SOAP::Data->value(
            $tag->("secext", "Username", $nick), $proof, $tag->("secext", "Nonce", encode_base64($nonce, "")),
            $tag->("utility", "Created", $created))));
}

# Calls; the fields come in the order of the WSDL. Each has its type, or what is not ASCII would be sent as Base64.
sub call {
    my ($operation, $proven, @fields) = @_;
    my @data;
    while (my ($name, $value) = splice @fields, 0, 2) {
        push @data, SOAP::Data->name($name)->value($value)->type($TYPES::of{$name});
    }
    return $chat->call($operation, @data, $proven ? security() : ());
}
BEGIN {
    %TYPES::of = (map({ $_ => "string" } qw(room nick seatKey text)), map({ $_ => "long" } qw(n id after before)),
        map({ $_ => "int" } qw(limit wait)));
}

# Returns the answer of a call that is not refused.
sub done {
    my $answer = call(shift, 1, @_);
    die $answer->faultstring if $answer->fault;
    return $answer;
}

# Prints the fault that refuses a join, in the way of the room's codes.
sub refused {
    my ($step, $as, $proven) = @_;
    my ($name) = keys %{ call("Join", $proven, room => "lab", nick => $as)->faultdetail };
    print $step, " ", lc($name =~ s/\B([A-Z])/_$1/gr), "\n";
}

sub said { return grep { $_->{kind} eq "sent" } $_[0]->valueof("//FetchResponse/event") }

print "version ", SOAP::Lite->VERSION, "\n";
refused("token", $nick, 0);
refused("refused", "ann", 1);
my $seat = done("Join", room => "lab", nick => $nick);
my @key  = (seatKey => $seat->valueof("//JoinResponse/seatKey"));
my @members = done("Members", @key)->valueof("//MembersResponse/member");
print join(" ", "members", sort map { $_->{nick} } @members), "\n";
my $last = (said(done("Fetch", @key, after => $seat->valueof("//JoinResponse/start"), limit => 200, wait => 0)))[-1];
print "reads ", hex_of($last->{text}), "\n";
my @older = said(done("Fetch", @key, before => $last->{seq}, limit => 2, wait => 0));
print join(" ", "history", map { hex_of($_->{text}) } @older), "\n";

my $id = done("Send", @key, n => 1, text => "ä 漢字\n&<>")->valueof("//SendResponse/seq");
print "waiting\n";
my ($later) = said(done("Fetch", @key, after => $id, limit => 200, wait => 20));
print "waits ", hex_of($later->{text}), "\n";
done("Edit", @key, n => 2, id => $id, text => "漢字 ä\n<&>");
done("Delete", @key, n => 3, id => $id);
done("Leave", @key);
