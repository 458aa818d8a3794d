<?php
// A client on php-amqplib, for a room in a broker: docs/protocol.md, "In a broker". It keeps two rules of the
// room: a name is taken once, and only members leave.
require "PhpAmqpLib/autoload.php";

use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Package;
use PhpAmqpLib\Wire\AMQPTable;

[, $url, $nick] = $argv;
const EXCHANGE = "chat.room.lab";
const LOG = "chat.log.lab";
const STREAM = ["x-queue-type" => "stream", "x-max-length-bytes" => 50_000_000, "x-stream-max-segment-size-bytes" => 1_000_000];

/** Which name is the same: strtolower would leave Ä alone. */
function folded(string $nick): string
{
    return function_exists("mb_convert_case") ? mb_convert_case($nick, MB_CASE_FOLD) : strtolower($nick);
}

class Room
{
    public array $members = [];
    public array $texts = [];
    private array $read = [];
    private AMQPStreamConnection $connection;
    private $channel;

    public function __construct(string $url)
    {
        $at = parse_url($url);
        $vhost = urldecode(substr($at["path"] ?? "/", 1)) ?: "/";
        $this->connection = new AMQPStreamConnection($at["host"], $at["port"], urldecode($at["user"]), urldecode($at["pass"]), $vhost);
        $this->channel = $this->connection->channel();
        $this->channel->confirm_select();
        $this->channel->basic_qos(0, 100, false);
        $this->channel->exchange_declare(EXCHANGE, "fanout", durable: true, auto_delete: false);
        $this->channel->queue_declare(LOG, durable: true, auto_delete: false, arguments: new AMQPTable(STREAM));
        $this->channel->queue_bind(LOG, EXCHANGE);
        $take = function (AMQPMessage $message): void {
            $this->read[] = $message;
            $message->ack();
        };
        $this->channel->basic_consume(LOG, callback: $take, arguments: new AMQPTable(["x-stream-offset" => "first"]));
    }

    /** Publishes an entry; returns its offset, or null if it was refused. */
    public function publish(string $kind, string $seat, array $fields): ?int
    {
        if ($kind === "joined") {  // presence
            $this->channel->queue_declare("chat.node.$seat", exclusive: true, auto_delete: true);
        }
        $id = bin2hex(random_bytes(8));
        $entry = ["at" => (int) (microtime(true) * 1000), "kind" => $kind, "seat" => $seat, "technique" => "php-amqplib"] + $fields;
        $body = json_encode($entry, JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR);
        $properties = ["message_id" => $id, "content_type" => "application/json", "delivery_mode" => 2];
        $this->channel->basic_publish(new AMQPMessage($body, $properties), EXCHANGE);
        return $this->until(fn ($entry, $mine) => $mine === $id)[2];
    }

    /** Returns the next message that fulfils a condition: entry, message id, offset if the entry is accepted. */
    public function until(callable $wanted): array
    {
        while (true) {
            while (!$this->read) {
                $this->channel->wait();
            }
            $message = array_shift($this->read);
            $entry = json_decode($message->getBody(), true);
            if (!is_array($entry)) {
                continue;  // not an entry: every client ignores it
            }
            $headers = $message->get("application_headers")->getNativeData();
            $id = $message->has("message_id") ? $message->get("message_id") : "";
            $offset = $this->accept($entry) ? $headers["x-stream-offset"] : null;
            if ($wanted($entry, $id)) {
                return [$entry, $id, $offset];
            }
        }
    }

    public function close(): void
    {
        $this->connection->close();
    }

    private function accept(array $entry): bool
    {
        $seat = $entry["seat"] ?? "";
        switch ($entry["kind"]) {
            case "joined":
                if (in_array(folded($entry["author"]), array_map(folded(...), $this->members), true)) {
                    return false;
                }
                $this->members[$seat] = $entry["author"];
                break;
            case "left":
                unset($this->members[$seat]);
                break;
            case "sent":
                if (isset($this->members[$seat])) {
                    $this->texts[] = $entry["text"];
                }
        }
        return true;
    }
}

echo "version ", Package::VERSION, "\n";
$room = new Room($url);
$seat = bin2hex(random_bytes(12));
$other = bin2hex(random_bytes(12));
$room->publish("opened", $seat, ["epoch" => bin2hex(random_bytes(16))]);  // back again: the stream's end is known
if ($room->publish("joined", $other, ["author" => "ann", "node" => $other]) === null) {
    echo "refused nick_taken\n";
}
$me = ["author" => $nick];
$room->publish("joined", $seat, $me + ["node" => $seat]) ?? throw new RuntimeException("the name is taken");
$nicks = array_values($room->members);
sort($nicks);
echo "members ", implode(" ", $nicks), "\n";
echo "reads ", bin2hex(end($room->texts)), "\n";
echo "history ", implode(" ", array_map(bin2hex(...), array_slice($room->texts, -3, 2))), "\n";

$id = $room->publish("sent", $seat, $me + ["n" => 1, "text" => "ä 漢字\n&<>"]) + 1;
echo "waiting\n";
[$later] = $room->until(fn ($entry) => $entry["kind"] === "sent" && $entry["author"] === "ann");
echo "waits ", bin2hex($later["text"]), "\n";
$room->publish("edited", $seat, $me + ["n" => 2, "id" => $id, "text" => "漢字 ä\n<&>"]);
$room->publish("deleted", $seat, $me + ["n" => 3, "id" => $id]);
$room->publish("left", $seat, $me + ["node" => $seat]);
$room->close();
