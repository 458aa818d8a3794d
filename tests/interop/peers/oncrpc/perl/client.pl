#!/usr/bin/perl
# A client on what comes with Perl: records of RFC 5531 and XDR of RFC 4506, packed by hand as protos/chat.x has them.
use strict;
use warnings;
use utf8;
use IO::Socket::IP;

my ($host, $port, $nick, $token) = @ARGV;
my ($JOIN, $LEAVE, $SEND, $EDIT, $DELETE, $FETCH, $MEMBERS) = 1 .. 7;
my ($NICK_TAKEN, $ACCESS_DENIED) = (5, 6);
my ($AFTER, $BEFORE, $NEWEST)    = 1 .. 3;
my $SENT = 5;
my $WAIT = 20_000;
my $xid  = 0;
$| = 1;

my $socket = IO::Socket::IP->new(PeerHost => $host, PeerPort => $port, Type => SOCK_STREAM) or die $@;

# --- XDR: arguments are packed to bytes, a reply is a string that is eaten from the front

sub string {
    my ($text) = @_;
    utf8::encode($text);
    return pack "N/a* x!4", $text;
}

sub uint   { return unpack "N",  substr $_[0], 0, 4, "" }
sub number { return unpack "Q>", substr $_[0], 0, 8, "" }

sub text {
    my $size  = uint($_[0]);
    my $bytes = substr substr($_[0], 0, $size + -$size % 4, ""), 0, $size;
    utf8::decode($bytes) or die "not UTF-8";
    return $bytes;
}

sub hex_of { my ($text) = @_; utf8::encode($text); return unpack "H*", $text }

# --- calls

sub receive {
    my ($size) = @_;
    my $data = "";
    while (length $data < $size) {
        read($socket, $data, $size - length $data, length $data) or die "the connection has ended";
    }
    return $data;
}

# Returns the status and the rest of the result.
sub call {
    my ($procedure, $arguments) = @_;
    my $record = pack("N10", ++$xid, 0, 2, 600_000_001, 1, $procedure, 0, 0, 0, 0) . $arguments;
    print {$socket} pack("N", 0x8000_0000 | length $record), $record;
    $socket->flush;
    my ($reply, $mark) = ("", 0);
    while (!($mark & 0x8000_0000)) {    # a reply may come in fragments
        $mark = unpack "N", receive(4);
        $reply .= receive($mark & 0x7fff_ffff);
    }
    my ($id, $type, $denied, $flavor, $size, $accept) = unpack "N6", substr $reply, 0, 24, "";
    die "no reply to this call" if $id != $xid || $type != 1 || $denied || $size || $accept;
    return uint($reply), $reply;
}

sub done {
    my ($status, $reply) = call(@_);
    die "refused: ", text($reply) if $status;
    return $reply;
}

sub join_args {
    my ($name, $access) = @_;
    return string("lab") . string($name) . string($access) . string("") . pack "N", 0;
}

sub event {
    my %event;
    $event{kind}                      = uint($_[0]);
    @event{qw(seq prev at)}           = map { number($_[0]) } 1 .. 3;
    @event{qw(author seat technique)} = map { text($_[0]) } 1 .. 3;
    @event{qw(n id)}                  = map { number($_[0]) } 1 .. 2;
    $event{text}                      = text($_[0]);
    return \%event;
}

my $key;

sub fetch {
    my ($direction, $seq, $limit, $wait) = @_;
    my $place = $direction == $NEWEST ? pack "N", $direction : pack "NQ>", $direction, $seq;
    my $reply = done($FETCH, string($key) . $place . pack "NN", $limit, $wait);
    return map { event($reply) } 1 .. uint($reply);
}

# --- the round

print "version ", join(".", (split /\./, sprintf "%vd", $^V)[0, 1]), "\n";
my ($status) = call($JOIN, join_args($nick, ""));
print "token access_denied\n" if $status == $ACCESS_DENIED;
($status) = call($JOIN, join_args("ann", $token));
print "refused nick_taken\n" if $status == $NICK_TAKEN;

my $joined = done($JOIN, join_args($nick, $token));
text($joined) for 1 .. 3;
$key = text($joined);

my $page = done($MEMBERS, string($key) . pack "N", 0);
my @nicks;
for (1 .. uint($page)) {
    my ($seat, $name, $technique) = map { text($page) } 1 .. 3;
    push @nicks, $name;
}
print join(" ", "members", sort @nicks), "\n";

my ($last) = grep { $_->{kind} == $SENT } reverse fetch($NEWEST, 0, 200, 0);
print "reads ", hex_of($last->{text}), "\n";
print join(" ", "history", map { hex_of($_->{text}) } fetch($BEFORE, $last->{seq}, 2, 0)), "\n";

my $draft = done($SEND, string($key) . pack("Q>", 1) . string("ä 漢字\n&<>"));
number($draft);
my $id = number($draft);
print "waiting\n";
my ($cursor, $said) = $id;
until ($said) {
    for my $event (fetch($AFTER, $cursor, 200, $WAIT)) {
        $cursor = $event->{seq};
        $said   = $event if $event->{kind} == $SENT && $event->{author} eq "ann";
    }
}
print "waits ", hex_of($said->{text}), "\n";
done($EDIT, string($key) . pack("Q>Q>", 2, $id) . string("漢字 ä\n<&>"));
done($DELETE, string($key) . pack "Q>Q>", 3, $id);
done($LEAVE, string($key));
