// A client on the JDK's own HttpClient, as it is set up by default, and Gson for the JSON.

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.TreeSet;

public class Client {
    private final HttpClient http = HttpClient.newHttpClient();
    private final String base;
    private final List<String> headers = new ArrayList<>();

    Client(String host, String port) {
        base = "http://" + host + ":" + port + "/rooms/lab";
    }

    /** Sends a request; returns the body of the answer, also of a refusal. */
    JsonObject ask(String method, String path, JsonObject body, String... more) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(base + path)).timeout(Duration.ofSeconds(30));
        for (var said : List.of(headers, List.of(more))) {
            for (int at = 0; at < said.size(); at += 2) {
                request.header(said.get(at), said.get(at + 1));
            }
        }
        if (body == null) {
            request.method(method, HttpRequest.BodyPublishers.noBody());
        } else {
            request.header("Content-Type", "application/json");
            request.method(method, HttpRequest.BodyPublishers.ofString(body.toString()));
        }
        var answer = http.send(request.build(), HttpResponse.BodyHandlers.ofString(StandardCharsets.UTF_8));
        return answer.body().isEmpty() ? null : JsonParser.parseString(answer.body()).getAsJsonObject();
    }

    static JsonObject object(String name, String value) {
        var made = new JsonObject();
        made.addProperty(name, value);
        return made;
    }

    static List<JsonObject> said(JsonObject page) {
        var found = new ArrayList<JsonObject>();
        for (JsonElement event : page.getAsJsonArray("events")) {
            if (event.getAsJsonObject().get("kind").getAsString().equals("sent")) {
                found.add(event.getAsJsonObject());
            }
        }
        return found;
    }

    static String hex(JsonObject event) {
        return HexFormat.of().formatHex(event.get("text").getAsString().getBytes(StandardCharsets.UTF_8));
    }

    void play(String nick, String token, PrintStream out) throws Exception {
        out.println("version " + Runtime.version().feature());
        out.println("token " + ask("POST", "/seats", object("nick", nick)).get("code").getAsString());
        headers.addAll(List.of("Authorization", "Bearer " + token));
        out.println("refused " + ask("POST", "/seats", object("nick", "ann")).get("code").getAsString());

        var seat = ask("POST", "/seats", object("nick", nick));
        headers.addAll(List.of("Seat-Key", seat.get("seat_key").getAsString()));
        var nicks = new TreeSet<String>();
        for (JsonElement member : ask("GET", "/members", null).getAsJsonArray("members")) {
            nicks.add(member.getAsJsonObject().get("nick").getAsString());
        }
        out.println("members " + String.join(" ", nicks));
        var before = said(ask("GET", "/events?after=" + seat.get("start"), null));
        var last = before.get(before.size() - 1);
        out.println("reads " + hex(last));
        var older = said(ask("GET", "/events?before=" + last.get("seq") + "&limit=2", null));
        out.println("history " + hex(older.get(0)) + " " + hex(older.get(1)));

        var id = ask("POST", "/messages", object("text", "ä 漢字\n&<>"), "Idempotency-Key", "1").get("id");
        out.println("waiting");
        out.println("waits " + hex(said(ask("GET", "/events?after=" + id + "&wait=20", null)).get(0)));
        ask("PUT", "/messages/" + id, object("text", "漢字 ä\n<&>"), "Idempotency-Key", "2");
        ask("DELETE", "/messages/" + id, null, "Idempotency-Key", "3");
        ask("DELETE", "/seats/" + seat.get("seat").getAsString(), null);
    }

    public static void main(String[] arguments) throws Exception {
        var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        new Client(arguments[0], arguments[1]).play(arguments[2], arguments[3], out);
    }
}
