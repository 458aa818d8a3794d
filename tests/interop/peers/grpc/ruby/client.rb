# A client on Ruby's gRPC, with the classes that protoc made of chat.proto.
require "grpc"
require "chat_services_pb"

HOST, PORT, NICK, TOKEN = ARGV
ADDRESS = "#{HOST}:#{PORT}"
SHOWN = { "authorization" => "Bearer #{TOKEN}" }
STUB = Chat::V1::ChatService::Stub.new(ADDRESS, :this_channel_is_insecure,
                                       channel_args: { "grpc.enable_http_proxy" => 0 })
$stdout.sync = true

def hex(text) = text.unpack1("H*")

# One stream: a queue of frames up, and an enumerator of frames down.
class Room
  attr_reader :welcome

  def initialize(nick, metadata)
    @up = Queue.new
    tell(hello: Chat::V1::Hello.new(room: "lab", nick:))
    @down = STUB.chat(Enumerator.new { |up| loop { up << @up.pop } }, metadata:)
    @welcome = @down.next.welcome
    @events = []
  end

  def tell(**kind) = @up << Chat::V1::ClientFrame.new(**kind)

  # Returns the next event that fulfils a condition.
  def until
    loop do
      @events.concat(@down.next.events&.events.to_a) while @events.empty?
      event = @events.shift
      return event if yield event
    end
  end

  # Returns the event that answers an own draft.
  def own(kind, n) = self.until { |it| it.kind == kind && it.n == n && it.seat == welcome.seat }
end

def refused(step, nick, metadata)
  Room.new(nick, metadata)
rescue GRPC::BadStatus => error
  puts "#{step} #{error.metadata['chat-error']}"
end

puts "version #{GRPC::VERSION}"
refused("token", NICK, {})
refused("refused", "ann", SHOWN)

room = Room.new(NICK, SHOWN)
members = STUB.members(Chat::V1::MembersRequest.new(room: "lab"), metadata: SHOWN).members
puts "members #{members.map(&:nick).sort.join(' ')}"
last = nil
room.until do |it|
  last = it if it.kind == :SENT
  it.seq == room.welcome.head
end
puts "reads #{hex(last.text)}"
page = STUB.history(Chat::V1::HistoryRequest.new(room: "lab", before: last.seq, limit: 2), metadata: SHOWN)
puts "history #{page.events.map { |event| hex(event.text) }.join(' ')}"

room.tell(send: Chat::V1::Send.new(n: 1, text: "ä 漢字\n&<>"))
id = room.own(:SENT, 1).id
puts "waiting"
puts "waits #{hex(room.until { |it| it.kind == :SENT && it.author == 'ann' }.text)}"
room.tell(edit: Chat::V1::Edit.new(n: 2, id:, text: "漢字 ä\n<&>"))
room.own(:EDITED, 2)
room.tell(delete: Chat::V1::Delete.new(n: 3, id:))
room.own(:DELETED, 3)
room.tell(leave: Chat::V1::Leave.new)
room.until { |it| it.kind == :LEFT && it.author == NICK }
