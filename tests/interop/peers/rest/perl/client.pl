#!/usr/bin/perl
# A client on what comes with Perl.
use strict;
use warnings;
use HTTP::Tiny;
use JSON::PP;

my ($host, $port, $nick, $token) = @ARGV;
my $json = JSON::PP->new->utf8;    # texts are characters inside, UTF-8 on the wire
# More than the 20 s of a wait; and not over a proxy.
my $http = HTTP::Tiny->new(timeout => 30, http_proxy => undef, proxy => undef);
my %headers;
$| = 1;

sub hex_of { my ($text) = @_; utf8::encode($text); return unpack "H*", $text }

# Sends a request; returns the body of the answer, also of a refusal.
sub ask {
    my ($method, $path, $body, $n) = @_;
    my %said = %headers;
    $said{"Idempotency-Key"} = $n if defined $n;
    my %request = (headers => \%said);
    if (defined $body) {
        $said{"Content-Type"} = "application/json";
        $request{content} = $json->encode($body);
    }
    my $answer = $http->request($method, "http://$host:$port/rooms/lab$path", \%request);
    die $answer->{content} if $answer->{status} == 599;    # no answer came
    return length($answer->{content} // "") ? $json->decode($answer->{content}) : undef;
}

sub said { my ($page) = @_; return grep { $_->{kind} eq "sent" } @{ $page->{events} } }

print "version ", join(".", (split /\./, sprintf "%vd", $^V)[0, 1]), "\n";
print "token ", ask("POST", "/seats", { nick => $nick })->{code}, "\n";
$headers{Authorization} = "Bearer $token";
print "refused ", ask("POST", "/seats", { nick => "ann" })->{code}, "\n";

my $seat = ask("POST", "/seats", { nick => $nick });
$headers{"Seat-Key"} = $seat->{seat_key};
print join(" ", "members", sort map { $_->{nick} } @{ ask("GET", "/members")->{members} }), "\n";
my $last = (said(ask("GET", "/events?after=$seat->{start}")))[-1];
print "reads ", hex_of($last->{text}), "\n";
my @older = said(ask("GET", "/events?before=$last->{seq}&limit=2"));
print join(" ", "history", map { hex_of($_->{text}) } @older), "\n";

my $id = ask("POST", "/messages", { text => "\x{e4} \x{6f22}\x{5b57}\n&<>" }, 1)->{id};
print "waiting\n";
print "waits ", hex_of((said(ask("GET", "/events?after=$id&wait=20")))[0]{text}), "\n";
ask("PUT",    "/messages/$id", { text => "\x{6f22}\x{5b57} \x{e4}\n<&>" }, 2);
ask("DELETE", "/messages/$id", undef,                                      3);
ask("DELETE", "/seats/$seat->{seat}");
