<?php
// A client on PHP's SoapClient, which makes the calls from the WSDL.
[, $host, $port, $nick, $token] = $argv;

const WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const DIGEST = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest";

// Without the feature a single event would come as an object and not in an array.
$chat = new SoapClient("http://$host:$port/soap?wsdl", [
    "cache_wsdl" => WSDL_CACHE_NONE,
    "features" => SOAP_SINGLE_ELEMENT_ARRAYS,
]);

/** Returns the header that proves the token: SoapClient has no WS-Security. */
function security(string $nick, string $token): SoapHeader
{
    $nonce = random_bytes(16);
    $created = gmdate("Y-m-d\TH:i:s\Z");
    $digest = base64_encode(sha1($nonce . $created . $token, true));
    $xml = sprintf(
        '<w:Security xmlns:w="%s" xmlns:u="%s"><w:UsernameToken><w:Username>%s</w:Username>'
        . '<w:Password Type="%s">%s</w:Password><w:Nonce>%s</w:Nonce><u:Created>%s</u:Created>'
        . "</w:UsernameToken></w:Security>",
        WSSE, WSU, htmlspecialchars($nick), DIGEST, $digest, base64_encode($nonce), $created,
    );
    return new SoapHeader(WSSE, "Security", new SoapVar($xml, XSD_ANYXML));
}

function call(string $operation, array $arguments, bool $proven = true): object
{
    global $chat, $nick, $token;
    $chat->__setSoapHeaders($proven ? [security($nick, $token)] : null);  // a nonce is good for one call
    return $chat->$operation($arguments);
}

/** Prints the fault that refuses a join, in the way of the room's codes. */
function refused(string $step, string $nick, bool $proven): void
{
    try {
        call("Join", ["room" => "lab", "nick" => $nick], $proven);
    } catch (SoapFault $fault) {
        $name = array_key_first(get_object_vars($fault->detail));
        echo $step, " ", strtolower(preg_replace("/\B[A-Z]/", "_$0", $name)), "\n";
    }
}

function said(object $page): array
{
    return array_values(array_filter($page->event ?? [], fn ($event) => $event->kind === "sent"));
}

printf("version %d.%d\n", PHP_MAJOR_VERSION, PHP_MINOR_VERSION);
refused("token", $nick, false);
refused("refused", "ann", true);
$seat = call("Join", ["room" => "lab", "nick" => $nick]);
$key = ["seatKey" => $seat->seatKey];
$nicks = array_column(call("Members", $key)->member, "nick");
sort($nicks);
echo "members ", implode(" ", $nicks), "\n";
$before = said(call("Fetch", $key + ["after" => $seat->start, "limit" => 200, "wait" => 0]));
$last = end($before);
echo "reads ", bin2hex($last->text), "\n";
$older = said(call("Fetch", $key + ["before" => $last->seq, "limit" => 2, "wait" => 0]));
echo "history ", implode(" ", array_map(fn ($event) => bin2hex($event->text), $older)), "\n";

$id = call("Send", $key + ["n" => 1, "text" => "ä 漢字\n&<>"])->seq;
echo "waiting\n";
[$later] = said(call("Fetch", $key + ["after" => $id, "limit" => 200, "wait" => 20]));
echo "waits ", bin2hex($later->text), "\n";
call("Edit", $key + ["n" => 2, "id" => $id, "text" => "漢字 ä\n<&>"]);
call("Delete", $key + ["n" => 3, "id" => $id]);
call("Leave", $key);
