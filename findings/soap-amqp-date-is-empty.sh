#!/usr/bin/env bash
# PHP 8.2.36 (Debian 12: apt-get install php-cli php-soap; https://github.com/php/php-src), ext/soap/php_encoding.c;
# soap 1.13.0 and amqplib 2.3.1 (npm; https://github.com/vpulim/node-soap, https://github.com/amqp-node/amqplib).
# Expected: an object that is a time (PHP's DateTime, JavaScript's Date) is written as xsd:dateTime, or as AMQP's
# timestamp, which both protocols have; or else it is refused.
# Seen: it is written as nothing, without an error. PHP's SoapClient and node-soap write an empty element, which is no
# xsd:dateTime, though node-soap gives a Date to whoever reads one. amqplib writes an empty table: a Date is an object
# without keys of its own. What is right is a text (or PHP's seconds), and { "!": "timestamp", value: seconds }.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
php -m 2>/dev/null | grep -qx soap || {
    echo "PHP is not installed: apt-get install --no-install-recommends php-cli php-soap"
    exit 1
}
npm install --silent --no-audit --no-fund --prefix "$folder" soap@1.13.0 amqplib@2.3.1 >"$folder/npm" 2>&1

cat >"$folder/room.wsdl" <<'WSDL'
<definitions targetNamespace="urn:room" xmlns:room="urn:room" xmlns="http://schemas.xmlsoap.org/wsdl/"
    xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:x="http://www.w3.org/2001/XMLSchema">
  <types><x:schema targetNamespace="urn:room" elementFormDefault="qualified">
    <x:element name="Since"><x:complexType><x:sequence>
      <x:element name="at" type="x:dateTime"/>
    </x:sequence></x:complexType></x:element>
    <x:element name="Lines"><x:complexType><x:sequence>
      <x:element name="first" type="x:dateTime"/>
    </x:sequence></x:complexType></x:element>
  </x:schema></types>
  <message name="Question"><part name="body" element="room:Since"/></message>
  <message name="Answer"><part name="body" element="room:Lines"/></message>
  <portType name="Room"><operation name="Since">
    <input message="room:Question"/><output message="room:Answer"/>
  </operation></portType>
  <binding name="Soap" type="room:Room"><soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="Since"><soap:operation soapAction="since"/>
      <input><soap:body use="literal"/></input><output><soap:body use="literal"/></output>
    </operation></binding>
  <service name="Service"><port name="Port" binding="room:Soap">
    <soap:address location="http://127.0.0.1:1/"/>
  </port></service>
</definitions>
WSDL
cat >"$folder/answer.xml" <<'XML'
<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>
<Lines xmlns="urn:room"><first>2026-01-01T00:00:00Z</first></Lines></e:Body></e:Envelope>
XML

cat >"$folder/try.php" <<'PHP'
<?php
class Client extends SoapClient
{
    public string $sent;

    public function __doRequest($request, $location, $action, $version, $oneWay = false): ?string
    {
        $this->sent = $request;
        return file_get_contents(__DIR__ . '/answer.xml');
    }
}

$client = new Client(__DIR__ . '/room.wsdl', ['cache_wsdl' => WSDL_CACHE_NONE]);
$time = new DateTimeImmutable('2026-01-01T00:00:00Z');
foreach ([$time, $time->getTimestamp(), $time->format('Y-m-d\TH:i:sP')] as $at) {
    $client->Since(['at' => $at]);
    preg_match('#<ns1:Since>(.*)</ns1:Since>#', $client->sent, $found);
    echo 'PHP ', get_debug_type($at), ' ', $found[1], "\n";
}
PHP
cat >"$folder/try.js" <<'JS'
const fs = require("node:fs");
const http = require("node:http");
const { decodeFields, encodeTable } = require(`${__dirname}/node_modules/amqplib/lib/codec.js`);
const soap = require("soap");

const time = new Date("2026-01-01T00:00:00Z");
let sent;
const server = http.createServer(async (request, response) => {
  sent = (await request.toArray()).join("");
  response.setHeader("Content-Type", "text/xml");
  response.end(fs.readFileSync(`${__dirname}/answer.xml`));
});
server.listen(0, "127.0.0.1", async () => {
  const client = await soap.createClientAsync(`${__dirname}/room.wsdl`);
  client.setEndpoint(`http://127.0.0.1:${server.address().port}/`);
  for (const at of [time, time.toISOString()]) {
    const [answer] = await client.SinceAsync({ at });
    console.log("node-soap", typeof at, /<room:at>.*<\/room:at>/.exec(sent)[0], "read", answer.first);
  }
  for (const at of [time, { "!": "timestamp", value: time / 1000 }]) {
    const bytes = Buffer.alloc(100);
    const length = encodeTable(bytes, { at }, 0);
    console.log("amqplib", JSON.stringify(at), JSON.stringify(decodeFields(bytes.subarray(4, length))));
  }
  process.exit();
});
JS
php "$folder/try.php" | tee "$folder/seen"
node "$folder/try.js" | tee -a "$folder/seen"
diff "$folder/seen" - <<'SEEN'
PHP DateTimeImmutable <ns1:at/>
PHP int <ns1:at>2026-01-01T00:00:00Z</ns1:at>
PHP string <ns1:at>2026-01-01T00:00:00+00:00</ns1:at>
node-soap object <room:at></room:at> read 2026-01-01T00:00:00.000Z
node-soap string <room:at>2026-01-01T00:00:00.000Z</room:at> read 2026-01-01T00:00:00.000Z
amqplib "2026-01-01T00:00:00.000Z" {"at":{}}
amqplib {"!":"timestamp","value":1767225600} {"at":{"!":"timestamp","value":1767225600}}
SEEN
echo "as described"
