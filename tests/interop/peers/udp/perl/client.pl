#!/usr/bin/perl
# A client on Perl's sockets and CryptX: one JSON object a datagram, with a counter and a MAC, as docs/datagrams.md has them.
use strict;
use warnings;
use Crypt::Digest::BLAKE2s_256 qw(blake2s_256);
use Crypt::Mac::BLAKE2s qw(blake2s blake2s_hex);
use IO::Select;
use IO::Socket::IP;
use JSON::PP;
use Time::HiRes qw(time);

my ($host, $port, $nick, $token) = @ARGV;
my $json = JSON::PP->new->utf8;
$| = 1;

sub hex_of { my ($text) = @_; utf8::encode($text); return unpack "H*", $text }

# --- one connection: a nonce, the keys that come from it, and what has come ----------------------

package Room;

sub new {
    my ($class, $token) = @_;
    my $socket = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Type => main::SOCK_DGRAM, Proto => "udp") or die $@;
    my $nonce = join "", map { sprintf "%04x", rand 65536 } 1 .. 8;    # of no secrecy: only no other may have it
    my $root  = $token && main::blake2s_256($token);
    return bless { socket => $socket, nonce => $nonce, root => $root, inbox => [], received => {}, pinged => 0 }, $class;
}

sub key_of {
    my ($self, $purpose, $salt) = @_;
    return $self->{root} && { key => main::blake2s(32, $self->{root}, "$purpose\n$self->{nonce}\n$salt"), count => 0 };
}

sub seal {
    my ($self, $message) = @_;
    my $text = $json->encode($message);
    return $text unless $self->{up};
    $text .= "\n" . ++$self->{up}{count};
    return "$text " . main::blake2s_hex(16, $self->{up}{key}, $text);
}

# Returns a datagram's message, or nothing if somebody else sent it, or if it came before.
sub open_one {
    my ($self, $datagram) = @_;
    my ($text, $count, $mac) = $datagram =~ /\A(.*?)(?:\n(\d+) ([0-9a-f]+))?\z/s or return;
    my $message = $json->decode($text);
    return $message if !$self->{root} || $message->{kind} eq "cookie";
    $self->{down} = $self->key_of("down", $message->{salt}) if $message->{kind} eq "welcome";
    return $message->{kind} eq "end" ? $message : () unless defined $count;    # refused, without a MAC
    return if main::blake2s_hex(16, $self->{down}{key}, "$text\n$count") ne $mac || $self->{received}{$count}++;
    return $message;
}

# Sends a message every half second until an answer has come, because datagrams may be lost; returns the answer.
# Without a message it only waits. A seat belongs to whoever sends a ping every second.
sub ask {
    my ($self, $message, $wanted) = @_;
    my $again = 0;
    while () {
        while (my $one = shift @{ $self->{inbox} }) { return $one if $wanted->($one) }
        if ($message && main::time() >= $again) {
            $self->{socket}->send($self->seal($message));
            $again = main::time() + 0.5;
        }
        if ($self->{seated} && main::time() >= $self->{pinged} + 1) {
            $self->{socket}->send($self->seal({ kind => "ping" }));
            $self->{pinged} = main::time();
        }
        next unless IO::Select->new($self->{socket})->can_read(0.1);
        $self->{socket}->recv(my $datagram, 65535);
        my $one = $self->open_one($datagram) or next;
        push @{ $self->{inbox} }, $one->{kind} eq "events" ? @{ $one->{events} } : $one;
    }
}

sub enter {
    my ($self, $nick) = @_;
    my %hello  = (kind => "hello", nick => $nick, nonce => $self->{nonce});
    my $cookie = $self->ask({ %hello, pad => "x" x 200 }, sub { $_[0]{kind} eq "cookie" })->{cookie};
    $self->{$_} = $self->key_of("hello $_", $cookie) for "up", "down";
    my $answer = $self->ask({ %hello, cookie => $cookie }, sub { $_[0]{kind} =~ /\A(?:welcome|end)\z/ });
    if ($answer->{kind} eq "welcome") {
        $self->{up}     = $self->key_of("up", $answer->{salt});
        $self->{seated} = 1;
    }
    return $answer;
}

# Returns the answer to a request.
sub request {
    my ($self, $ref, %message) = @_;
    return $self->ask({ %message, ref => $ref }, sub { $_[0]{kind} ne "pong" && ($_[0]{ref} // 0) == $ref });
}

# Returns the event that answers an own draft.
sub draft {
    my ($self, $kind, $n, %message) = @_;
    return $self->ask({ %message, n => $n }, sub { $_[0]{kind} eq $kind && $_[0]{n} == $n && $_[0]{author} eq $nick });
}

package main;

# --- what it does --------------------------------------------------------------------------------

print "version $CryptX::VERSION\n";
print "token ",   Room->new("")->enter($nick)->{code}, "\n";
print "refused ", Room->new($token)->enter("ann")->{code}, "\n";

my $room    = Room->new($token);
my $welcome = $room->enter($nick);
my $members = $room->request(1, kind => "members")->{members};
print join(" ", "members", sort map { $_->{nick} } @$members), "\n";
my @said = grep { $_->{kind} eq "sent" } @{ $room->request(2, kind => "history", after => $welcome->{start})->{events} };
print "reads ", hex_of($said[-1]{text}), "\n";
my $page = $room->request(3, kind => "history", before => $said[-1]{seq}, limit => 2);
print join(" ", "history", map { hex_of($_->{text}) } @{ $page->{events} }), "\n";

my $id = $room->draft("sent", 1, kind => "say", text => "\x{e4} \x{6f22}\x{5b57}\n&<>")->{id};
print "waiting\n";
my $later = $room->ask(undef, sub { $_[0]{kind} eq "sent" && $_[0]{author} eq "ann" });
print "waits ", hex_of($later->{text}), "\n";
$room->draft("edited", 2, kind => "edit", id => $id, text => "\x{6f22}\x{5b57} \x{e4}\n<&>");
$room->draft("deleted", 3, kind => "delete", id => $id);
$room->ask({ kind => "leave" }, sub { $_[0]{kind} eq "end" || ($_[0]{kind} eq "left" && $_[0]{author} eq $nick) });
