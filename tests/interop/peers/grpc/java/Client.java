// A client on grpc-java, with the classes that protoc made of chat.proto.
import chat.v1.*;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.internal.GrpcUtil;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Predicate;
import java.util.stream.Collectors;

public class Client {
    static final Metadata.Key<String> ERROR = Metadata.Key.of("chat-error", Metadata.ASCII_STRING_MARSHALLER);
    static final Metadata.Key<String> TOKEN = Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    static String hex(String text) {
        StringBuilder digits = new StringBuilder();
        for (byte one : text.getBytes(StandardCharsets.UTF_8)) digits.append(String.format("%02x", one));
        return digits.toString();
    }

    static Channel shown(Channel channel, String token) {
        Metadata metadata = new Metadata();
        metadata.put(TOKEN, "Bearer " + token);
        return ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(metadata));
    }

    /** One stream: what comes is put into a queue, also its end. */
    static class Room implements StreamObserver<ServerFrame> {
        private final LinkedBlockingQueue<Object> came = new LinkedBlockingQueue<>();
        private final ArrayDeque<Event> events = new ArrayDeque<>();
        private final StreamObserver<ClientFrame> up;
        final Welcome welcome;

        Room(Channel channel, String nick) throws Throwable {
            up = ChatServiceGrpc.newStub(channel).chat(this);
            tell(ClientFrame.newBuilder().setHello(Hello.newBuilder().setRoom("lab").setNick(nick)));
            welcome = next().getWelcome();
        }

        @Override
        public void onNext(ServerFrame frame) {
            came.add(frame);
        }

        @Override
        public void onError(Throwable why) {
            came.add(why);
        }

        @Override
        public void onCompleted() {
            came.add(new IllegalStateException("the stream has ended"));
        }

        void tell(ClientFrame.Builder frame) {
            up.onNext(frame.build());
        }

        private ServerFrame next() throws Throwable {
            Object one = came.take();
            if (one instanceof Throwable) throw (Throwable) one;
            return (ServerFrame) one;
        }

        /** Returns the next event that fulfils a condition. */
        Event until(Predicate<Event> wanted) throws Throwable {
            for (;;) {
                while (events.isEmpty()) events.addAll(next().getEvents().getEventsList());
                Event event = events.remove();
                if (wanted.test(event)) return event;
            }
        }

        /** Returns the event that answers an own draft. */
        Event own(Event.Kind kind, long n) throws Throwable {
            return until(it -> it.getKind() == kind && it.getN() == n && it.getSeat().equals(welcome.getSeat()));
        }
    }

    static void refused(String step, Channel channel, String nick) {
        try {
            new Room(channel, nick);
        } catch (Throwable why) {
            System.out.println(step + " " + Status.trailersFromThrowable(why).get(ERROR));
        }
    }

    public static void main(String[] arguments) throws Throwable {
        String nick = arguments[2];
        ManagedChannel channel = NettyChannelBuilder.forAddress(arguments[0], Integer.parseInt(arguments[1]))
            .usePlaintext()
            .build();
        Channel shown = shown(channel, arguments[3]);
        System.out.println("version " + GrpcUtil.getGrpcBuildVersion().getImplementationVersion());
        refused("token", channel, nick);
        refused("refused", shown, "ann");

        Room room = new Room(shown, nick);
        ChatServiceGrpc.ChatServiceBlockingStub chat = ChatServiceGrpc.newBlockingStub(shown);
        MembersReply there = chat.members(MembersRequest.newBuilder().setRoom("lab").build());
        System.out.println("members " + there.getMembersList().stream()
            .map(Member::getNick).sorted().collect(Collectors.joining(" ")));
        Event[] last = new Event[1];
        room.until(it -> {
            if (it.getKind() == Event.Kind.SENT) last[0] = it;
            return it.getSeq() == room.welcome.getHead();
        });
        System.out.println("reads " + hex(last[0].getText()));
        HistoryReply page = chat.history(
            HistoryRequest.newBuilder().setRoom("lab").setBefore(last[0].getSeq()).setLimit(2).build());
        System.out.println("history " + page.getEventsList().stream()
            .map(event -> hex(event.getText())).collect(Collectors.joining(" ")));

        room.tell(ClientFrame.newBuilder().setSend(Send.newBuilder().setN(1).setText("ä 漢字\n&<>")));
        long id = room.own(Event.Kind.SENT, 1).getId();
        System.out.println("waiting");
        System.out.flush();
        Event later = room.until(it -> it.getKind() == Event.Kind.SENT && it.getAuthor().equals("ann"));
        System.out.println("waits " + hex(later.getText()));
        room.tell(ClientFrame.newBuilder().setEdit(Edit.newBuilder().setN(2).setId(id).setText("漢字 ä\n<&>")));
        room.own(Event.Kind.EDITED, 2);
        room.tell(ClientFrame.newBuilder().setDelete(Delete.newBuilder().setN(3).setId(id)));
        room.own(Event.Kind.DELETED, 3);
        room.tell(ClientFrame.newBuilder().setLeave(Leave.getDefaultInstance()));
        room.until(it -> it.getKind() == Event.Kind.LEFT && it.getAuthor().equals(nick));
        channel.shutdown();
    }
}
