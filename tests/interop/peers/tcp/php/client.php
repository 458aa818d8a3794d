<?php
// A client on PHP's own streams: JSON lines, as docs/protocol.md has them.
[, $host, $port, $nick, $token] = $argv;

function enter(array $hello)
{
    global $host, $port;
    $socket = stream_socket_client("tcp://$host:$port") or exit(1);
    stream_set_timeout($socket, 3600);  // or a read ends after a quiet minute
    tell($socket, ["kind" => "hello"] + $hello);
    return $socket;
}

function tell($socket, array $message): void
{
    fwrite($socket, json_encode($message, JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR) . "\n");
}

/** Returns the next message that fulfils a condition. */
function until($socket, callable $wanted): array
{
    while (($line = fgets($socket)) !== false) {
        $message = json_decode($line, true, flags: JSON_THROW_ON_ERROR);
        if ($wanted($message)) {
            return $message;
        }
    }
    throw new RuntimeException("the connection has ended");
}

/** Returns the event that answers an own draft. */
function own($socket, string $kind, int $n): array
{
    global $nick;
    return until($socket, fn ($it) => $it["kind"] === $kind && ($it["n"] ?? 0) === $n && $it["author"] === $nick);
}

printf("version %d.%d\n", PHP_MAJOR_VERSION, PHP_MINOR_VERSION);
$is_error = fn ($it) => $it["kind"] === "error";
echo "token ", until(enter(["nick" => $nick]), $is_error)["code"], "\n";
echo "refused ", until(enter(["nick" => "ann", "access" => $token]), $is_error)["code"], "\n";

$room = enter(["nick" => $nick, "access" => $token]);
$welcome = until($room, fn ($it) => $it["kind"] === "welcome");
$nicks = array_column($welcome["members"], "nick");
sort($nicks);
echo "members ", implode(" ", $nicks), "\n";
until($room, function ($it) use ($welcome, &$last) {
    $last = $it["kind"] === "sent" ? $it : $last;
    return $it["seq"] === $welcome["head"];
});
echo "reads ", bin2hex($last["text"]), "\n";
tell($room, ["kind" => "history", "before" => $last["seq"], "limit" => 2, "ref" => 1]);
$page = until($room, fn ($it) => $it["kind"] === "page");
echo "history ", implode(" ", array_map(bin2hex(...), array_column($page["events"], "text"))), "\n";

tell($room, ["kind" => "say", "text" => "ä 漢字\n&<>", "n" => 1]);
$id = own($room, "sent", 1)["id"];
echo "waiting\n";
$later = until($room, fn ($it) => $it["kind"] === "sent" && $it["author"] === "ann");
echo "waits ", bin2hex($later["text"]), "\n";
tell($room, ["kind" => "edit", "id" => $id, "text" => "漢字 ä\n<&>", "n" => 2]);
own($room, "edited", 2);
tell($room, ["kind" => "delete", "id" => $id, "n" => 3]);
own($room, "deleted", 3);
tell($room, ["kind" => "leave"]);
until($room, fn ($it) => $it["kind"] === "left" && $it["author"] === $nick);
