# A client on AnyEvent::RabbitMQ, for a room in a broker: docs/protocol.md, "In a broker". It only writes: the
# library can't decode the offset that a stream's messages have.
use strict;
use warnings;
use utf8;

use AnyEvent;
use AnyEvent::RabbitMQ;
use JSON::PP;
use Time::HiRes 'time';

my ($url, $nick) = @ARGV;
my ($user, $password, $host, $port, $vhost) = $url =~ m{^amqp://(.+?):(.+?)@(.+?):(\d+)/(.*)$} or die "no URL";
sub unescaped { return $_[0] =~ s/%([0-9A-F]{2})/chr hex $1/gier }
my $exchange = "chat.room.lab";
my $seat = join "", map { sprintf "%02x", rand 256 } 1 .. 12;

# Calls a method of the library, and waits until it has succeeded.
sub wait_for {
    my ($object, $method, %arguments) = @_;
    my $done = AnyEvent->condvar;
    my $failed = sub { $done->croak("$method failed") };
    $object->$method(%arguments, on_success => $done, on_failure => $failed);
    return $done->recv;
}

my $client = AnyEvent::RabbitMQ->new->load_xml_spec;
wait_for(
    $client, "connect",
    host => $host, port => $port, user => $user, pass => unescaped($password),
    vhost => unescaped($vhost), timeout => 5, tune => { heartbeat => 5 },
);
my $channel = wait_for($client, "open_channel");
wait_for($channel, "confirm");

# Publishes an entry, and waits for the broker's confirm.
sub publish {
    my ($kind, %fields) = @_;
    my $entry = {
        at => int(1000 * time), kind => $kind, seat => $seat, author => $nick, technique => "AnyEvent-RabbitMQ",
        %fields,
    };
    my $done = AnyEvent->condvar;
    $channel->publish(
        exchange => $exchange,
        routing_key => "",
        body => JSON::PP->new->utf8->encode($entry),
        header => { content_type => "application/json", delivery_mode => 2 },
        on_ack => $done,
        on_nack => sub { $done->croak("not stored") },
    );
    $done->recv;
}

print "version ", AnyEvent::RabbitMQ->VERSION =~ s/^v//r, "\n";
wait_for($channel, "declare_exchange", exchange => $exchange, type => "fanout", durable => 1);
wait_for($channel, "declare_queue", queue => "chat.node.$seat", exclusive => 1, auto_delete => 1);  # presence
publish("joined", node => $seat);
publish("sent", n => 1, text => "ä 漢字\n&<>");
publish("left", node => $seat);
wait_for($client, "close");
