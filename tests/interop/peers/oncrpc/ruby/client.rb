# A client on Ruby's own sockets: records of RFC 5531 and XDR of RFC 4506, packed by hand as protos/chat.x has them.
require "socket"
require "stringio"

HOST, PORT, NICK, TOKEN = ARGV
JOIN, LEAVE, SEND, EDIT, DELETE, FETCH, MEMBERS = *1..7
AFTER, BEFORE, NEWEST = *1..3
SENT = 5
CODES = { 5 => "nick_taken", 6 => "access_denied" }.freeze
WAIT_MS = 20_000
$stdout.sync = true

def hex(text) = text.unpack1("H*")

def string(text) = [text.bytesize, text.b].pack("Na*x#{-text.bytesize % 4}")

# A result, read from its beginning.
class Result
  attr_reader :status

  def initialize(bytes)
    @bytes = StringIO.new(bytes)
    @status = uint
  end

  def uint = @bytes.read(4).unpack1("N")

  def number = @bytes.read(8).unpack1("Q>")

  def text
    size = uint
    @bytes.read(size + (-size % 4))[0, size].force_encoding("UTF-8")
  end

  def event
    { kind: uint, seq: number, prev: number, at: number, author: text, seat: text, technique: text,
      n: number, id: number, text: text }
  end
end

# One connection.
class Room
  def initialize
    @socket = TCPSocket.new(HOST, PORT)
    @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
    @xid = 0
  end

  def join(nick, access)
    call(JOIN, string("lab") + string(nick) + string(access) + string("") + [0].pack("N"))
  end

  # Returns the result of a call that the server must not refuse.
  def done(procedure, arguments)
    result = call(procedure, arguments)
    raise result.text unless result.status.zero?

    result
  end

  def fetch(key, place, limit, wait_ms)
    result = done(FETCH, string(key) + place + [limit, wait_ms].pack("NN"))
    Array.new(result.uint) { result.event }
  end

  private

  def call(procedure, arguments)
    record = [@xid += 1, 0, 2, 600_000_001, 1, procedure, 0, 0, 0, 0].pack("N10") + arguments
    @socket.write([0x80000000 | record.bytesize].pack("N") + record)
    xid, type, denied, _, size, accepted = (reply = read).unpack("N6")
    raise "no reply to this call" unless [xid, type, denied, size, accepted] == [@xid, 1, 0, 0, 0]

    Result.new(reply[24..])
  end

  # Returns a record, which may come in fragments.
  def read
    reply = "".b
    loop do
      mark = @socket.read(4).unpack1("N")
      reply << @socket.read(mark & 0x7fffffff)
      return reply if mark[31] == 1
    end
  end
end

room = Room.new
puts "version #{RUBY_VERSION[/\d+\.\d+/]}"
puts "token #{CODES[room.join(NICK, '').status]}"
puts "refused #{CODES[room.join('ann', TOKEN).status]}"

joined = room.join(NICK, TOKEN)
raise joined.text unless joined.status.zero?

3.times { joined.text } # room, nick, seat
key = joined.text
members = room.done(MEMBERS, string(key) + [0].pack("N"))
nicks = Array.new(members.uint) { [members.text, members.text, members.text][1] }
puts "members #{nicks.sort.join(' ')}"
last = room.fetch(key, [NEWEST].pack("N"), 200, 0).reverse.find { |event| event[:kind] == SENT }
puts "reads #{hex(last[:text])}"
page = room.fetch(key, [BEFORE, last[:seq]].pack("NQ>"), 2, 0)
puts "history #{page.map { |event| hex(event[:text]) }.join(' ')}"

sent = room.done(SEND, string(key) + [1].pack("Q>") + string("ä 漢字\n&<>"))
sent.number # n
id = cursor = sent.number
puts "waiting"
said = nil
until said
  events = room.fetch(key, [AFTER, cursor].pack("NQ>"), 200, WAIT_MS)
  cursor = events.last[:seq] unless events.empty?
  said = events.find { |event| event[:kind] == SENT && event[:author] == "ann" }
end
puts "waits #{hex(said[:text])}"
room.done(EDIT, string(key) + [2, id].pack("Q>Q>") + string("漢字 ä\n<&>"))
room.done(DELETE, string(key) + [3, id].pack("Q>Q>"))
room.done(LEAVE, string(key))
