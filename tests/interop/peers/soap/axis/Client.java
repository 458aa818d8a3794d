// A client on Axis 1.4, whose classes WSDL2Java makes of wsdl/chat-soap11.wsdl.
import chat.AccessDenied;
import chat.ChatSoap11Stub;
import chat.Event;
import chat.Kind;
import chat.Member;
import chat.NickTaken;
import chat.holders.EventArrayHolder;
import chat.holders.LimitsHolder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.stream.Collectors;
import javax.xml.rpc.holders.LongHolder;
import javax.xml.rpc.holders.StringHolder;
import org.apache.axis.Version;
import org.apache.axis.message.SOAPHeaderElement;

public class Client {
    static final String WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss";
    static ChatSoap11Stub chat;
    static String nick;
    static String token;
    static String key;

    /** Puts the header that proves the token: it is good for one call. */
    static ChatSoap11Stub proven() throws Exception {
        byte[] nonce = new byte[16];
        new SecureRandom().nextBytes(nonce);
        String created = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
        MessageDigest sha1 = MessageDigest.getInstance("SHA-1");
        sha1.update(nonce);
        sha1.update((created + token).getBytes(StandardCharsets.UTF_8));
        Base64.Encoder base64 = Base64.getEncoder();
        SOAPHeaderElement security = new SOAPHeaderElement(WSS + "-wssecurity-secext-1.0.xsd", "Security");
        security.setActor(null);
        var user = security.addChildElement("UsernameToken");
        user.addChildElement("Username").addTextNode(nick);
        var password = user.addChildElement("Password").addTextNode(base64.encodeToString(sha1.digest()));
        password.setAttribute("Type", WSS + "-username-token-profile-1.0#PasswordDigest");
        user.addChildElement("Nonce").addTextNode(base64.encodeToString(nonce));
        user.addChildElement("Created", "u", WSS + "-wssecurity-utility-1.0.xsd").addTextNode(created);
        chat.clearHeaders();
        chat.setHeader(security);
        return chat;
    }

    /** Takes a seat; the strings and numbers come back in the holders. Returns where to read on. */
    static long join(ChatSoap11Stub chat, String nick) throws Exception {
        StringHolder seatKey = new StringHolder();
        LongHolder start = new LongHolder();
        chat.join(new StringHolder("lab"), new StringHolder(nick), seatKey, null, new StringHolder(), null,
                new StringHolder(), new LongHolder(), new LongHolder(), start, new LongHolder(), new LimitsHolder());
        key = seatKey.value;
        return start.value;
    }

    static List<Event> said(Long after, Long before, int limit, int wait) throws Exception {
        EventArrayHolder page = new EventArrayHolder();
        proven().fetch(key, after, before, limit, wait, new LongHolder(), page);
        List<Event> said = new ArrayList<>();
        for (Event event : page.value == null ? new Event[0] : page.value)
            if (event.getKind() == Kind.sent)
                said.add(event);
        return said;
    }

    static String hex(Event event) {
        StringBuilder digits = new StringBuilder(" ");
        for (byte one : event.getText().getBytes(StandardCharsets.UTF_8))
            digits.append(String.format("%02x", one));
        return digits.toString();
    }

    public static void main(String[] arguments) throws Exception {
        nick = arguments[2];
        token = arguments[3];
        var locator = new chat.Chat_ServiceLocator();
        locator.setChatSoap11EndpointAddress("http://" + arguments[0] + ":" + arguments[1] + "/soap");
        chat = (ChatSoap11Stub) locator.getChatSoap11();
        chat.setTimeout(30_000); // a request may wait for 20 s
        System.out.println("version " + Version.getVersion().lines().findFirst().get().replace("Apache Axis version: ", ""));
        try {
            join(chat, nick);
        } catch (AccessDenied refusal) {
            System.out.println("token access_denied");
        }
        try {
            join(proven(), "ann");
        } catch (NickTaken refusal) {
            System.out.println("refused nick_taken");
        }
        long start = join(proven(), nick);
        Member[] members = proven().members(key);
        System.out.println(Arrays.stream(members).map(Member::getNick).sorted().collect(Collectors.joining(" ", "members ", "")));
        List<Event> before = said(start, null, 200, 0);
        Event last = before.get(before.size() - 1);
        System.out.println("reads" + hex(last));
        System.out.println("history" + said(null, last.getSeq(), 2, 0).stream().map(Client::hex).collect(Collectors.joining()));

        long id = proven().send(key, new LongHolder(1), "ä 漢字\n&<>");
        System.out.println("waiting");
        System.out.println("waits" + hex(said(id, null, 200, 20).get(0)));
        proven().edit(key, new LongHolder(2), id, "漢字 ä\n<&>");
        proven().delete(key, new LongHolder(3), id);
        proven().leave(key);
    }
}
