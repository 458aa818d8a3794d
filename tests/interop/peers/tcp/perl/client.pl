#!/usr/bin/perl
# A client on what comes with Perl: JSON lines, as docs/protocol.md has them.
use strict;
use warnings;
use IO::Socket::IP;
use JSON::PP;

my ($host, $port, $nick, $token) = @ARGV;
my $json = JSON::PP->new->utf8;    # texts are characters inside, UTF-8 on the wire
$| = 1;

sub hex_of { my ($text) = @_; utf8::encode($text); return unpack "H*", $text }

sub enter {
    my (%hello) = @_;
    my $socket = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Type => SOCK_STREAM) or die $@;
    put($socket, kind => "hello", %hello);
    return $socket;
}

sub put { my ($socket, %message) = @_; print {$socket} $json->encode(\%message), "\n" }

# Returns the next message that fulfils a condition.
sub until_one {
    my ($socket, $wanted) = @_;
    while (my $line = <$socket>) {
        my $message = $json->decode($line);
        return $message if $wanted->($message);
    }
    die "the connection has ended";
}

# Returns the event that answers an own draft.
sub own {
    my ($socket, $kind, $n) = @_;
    return until_one($socket, sub { $_[0]{kind} eq $kind && ($_[0]{n} // 0) == $n && $_[0]{author} eq $nick });
}

print "version ", join(".", (split /\./, sprintf "%vd", $^V)[0, 1]), "\n";
my $is_error = sub { $_[0]{kind} eq "error" };
print "token ",   until_one(enter(nick => $nick), $is_error)->{code}, "\n";
print "refused ", until_one(enter(nick => "ann", access => $token), $is_error)->{code}, "\n";

my $room    = enter(nick => $nick, access => $token);
my $welcome = until_one($room, sub { $_[0]{kind} eq "welcome" });
print join(" ", "members", sort map { $_->{nick} } @{ $welcome->{members} }), "\n";
my $last;
until_one($room, sub { $last = $_[0] if $_[0]{kind} eq "sent"; $_[0]{seq} == $welcome->{head} });
print "reads ", hex_of($last->{text}), "\n";
put($room, kind => "history", before => $last->{seq}, limit => 2, ref => 1);
my $page = until_one($room, sub { $_[0]{kind} eq "page" });
print join(" ", "history", map { hex_of($_->{text}) } @{ $page->{events} }), "\n";

put($room, kind => "say", text => "\x{e4} \x{6f22}\x{5b57}\n&<>", n => 1);
my $id = own($room, "sent", 1)->{id};
print "waiting\n";
print "waits ", hex_of(until_one($room, sub { $_[0]{kind} eq "sent" && $_[0]{author} eq "ann" })->{text}), "\n";
put($room, kind => "edit", id => $id, text => "\x{6f22}\x{5b57} \x{e4}\n<&>", n => 2);
own($room, "edited", 2);
put($room, kind => "delete", id => $id, n => 3);
own($room, "deleted", 3);
put($room, kind => "leave");
until_one($room, sub { $_[0]{kind} eq "left" && $_[0]{author} eq $nick });
