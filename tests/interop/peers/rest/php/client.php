<?php
// A client on PHP's curl.
[, $host, $port, $nick, $token] = $argv;
$headers = [];

/** Sends a request; returns the body of the answer, also of a refusal. */
function ask(string $method, string $path, ?array $body = null, ?int $draft = null): array
{
    global $host, $port, $headers;
    $said = $headers;
    if ($draft !== null) {
        $said[] = "Idempotency-Key: $draft";
    }
    $curl = curl_init("http://$host:$port/rooms/lab$path");
    curl_setopt_array($curl, [
        CURLOPT_CUSTOMREQUEST => $method,
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_NOPROXY => "*",
        CURLOPT_TIMEOUT => 30,  // more than the 20 s of a wait
    ]);
    if ($body !== null) {
        $said[] = "Content-Type: application/json";
        curl_setopt($curl, CURLOPT_POSTFIELDS, json_encode($body, JSON_THROW_ON_ERROR));
    }
    curl_setopt($curl, CURLOPT_HTTPHEADER, $said);
    $answer = curl_exec($curl);
    if ($answer === false) {
        throw new RuntimeException(curl_error($curl));
    }
    return $answer === "" ? [] : json_decode($answer, true, flags: JSON_THROW_ON_ERROR);
}

function said(array $page): array
{
    return array_values(array_filter($page["events"], fn ($event) => $event["kind"] === "sent"));
}

printf("version %d.%d\n", PHP_MAJOR_VERSION, PHP_MINOR_VERSION);
echo "token ", ask("POST", "/seats", ["nick" => $nick])["code"], "\n";
$headers = ["Authorization: Bearer $token"];
echo "refused ", ask("POST", "/seats", ["nick" => "ann"])["code"], "\n";

$seat = ask("POST", "/seats", ["nick" => $nick]);
$headers[] = "Seat-Key: $seat[seat_key]";
$nicks = array_column(ask("GET", "/members")["members"], "nick");
sort($nicks);
echo "members ", implode(" ", $nicks), "\n";
$before = said(ask("GET", "/events?after=$seat[start]"));
$last = end($before);
echo "reads ", bin2hex($last["text"]), "\n";
$older = said(ask("GET", "/events?before=$last[seq]&limit=2"));
echo "history ", implode(" ", array_map(fn ($event) => bin2hex($event["text"]), $older)), "\n";

$id = ask("POST", "/messages", ["text" => "ä 漢字\n&<>"], 1)["id"];
echo "waiting\n";
[$later] = said(ask("GET", "/events?after=$id&wait=20"));
echo "waits ", bin2hex($later["text"]), "\n";
ask("PUT", "/messages/$id", ["text" => "漢字 ä\n<&>"], 2);
ask("DELETE", "/messages/$id", null, 3);
ask("DELETE", "/seats/$seat[seat]");
