# A client on Ruby's own sockets: JSON lines, as docs/protocol.md has them.
require "json"
require "socket"

HOST, PORT, NICK, TOKEN = ARGV
$stdout.sync = true

def hex(text) = text.unpack1("H*")

# One connection.
class Room
  def initialize(**hello)
    @socket = TCPSocket.new(HOST, PORT)
    @socket.set_encoding("UTF-8")
    tell("hello", **hello)
  end

  def tell(kind, **fields) = @socket.puts({ kind:, **fields }.to_json)

  # Returns the next message that fulfils a condition.
  def until
    loop do
      line = @socket.gets or raise "the connection has ended"
      message = JSON.parse(line, symbolize_names: true)
      return message if yield message
    end
  end

  # Returns the event that answers an own draft.
  def own(kind, n) = self.until { |it| it[:kind] == kind && it[:n] == n && it[:author] == NICK }
end

puts "version #{RUBY_VERSION[/\d+\.\d+/]}"
puts "token #{Room.new(nick: NICK).until { |it| it[:kind] == 'error' }[:code]}"
puts "refused #{Room.new(nick: 'ann', access: TOKEN).until { |it| it[:kind] == 'error' }[:code]}"

room = Room.new(nick: NICK, access: TOKEN)
welcome = room.until { |it| it[:kind] == "welcome" }
puts "members #{welcome[:members].map { |member| member[:nick] }.sort.join(' ')}"
last = nil
room.until do |it|
  last = it if it[:kind] == "sent"
  it[:seq] == welcome[:head]
end
puts "reads #{hex(last[:text])}"
room.tell("history", before: last[:seq], limit: 2, ref: 1)
page = room.until { |it| it[:kind] == "page" }
puts "history #{page[:events].map { |event| hex(event[:text]) }.join(' ')}"

room.tell("say", text: "ä 漢字\n&<>", n: 1)
id = room.own("sent", 1)[:id]
puts "waiting"
puts "waits #{hex(room.until { |it| it[:kind] == 'sent' && it[:author] == 'ann' }[:text])}"
room.tell("edit", id:, text: "漢字 ä\n<&>", n: 2)
room.own("edited", 2)
room.tell("delete", id:, n: 3)
room.own("deleted", 3)
room.tell("leave")
room.until { |it| it[:kind] == "left" && it[:author] == NICK }
