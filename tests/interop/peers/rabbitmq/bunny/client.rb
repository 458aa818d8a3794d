# A client on bunny, for a room in a broker: docs/protocol.md, "In a broker". It keeps two rules of the room:
# a name is taken once, and only members leave.
require "bunny"
require "json"
require "securerandom"

URL, NICK = ARGV
EXCHANGE, LOG = "chat.room.lab", "chat.log.lab"
STREAM = { "x-queue-type" => "stream", "x-max-length-bytes" => 50_000_000, "x-stream-max-segment-size-bytes" => 1_000_000 }
$stdout.sync = true

def hex(text) = text.unpack1("H*")

class Room
  attr_reader :members, :texts

  def initialize
    @connection = Bunny.new(URL).start
    @channel = @connection.create_channel
    @channel.confirm_select
    @channel.prefetch(100)
    @exchange = @channel.fanout(EXCHANGE, durable: true)
    log = @channel.queue(LOG, durable: true, arguments: STREAM).bind(@exchange)
    @members, @texts, @read, @known = {}, [], Queue.new, []
    log.subscribe(manual_ack: true, arguments: { "x-stream-offset" => "first" }) do |delivery, properties, body|
      @read << [properties.headers["x-stream-offset"], properties.message_id, body]
      @channel.ack(delivery.delivery_tag)
    end
  end

  # Publishes an entry; returns its offset, or nil if it was refused.
  def publish(kind, seat, **fields)
    @channel.queue("chat.node.#{seat}", exclusive: true, auto_delete: true) if kind == "joined" # presence
    id = SecureRandom.hex(8)
    entry = { at: (Time.now.to_f * 1000).to_i, kind:, seat:, technique: "bunny", **fields }
    @exchange.publish(entry.to_json, message_id: id, content_type: "application/json", persistent: true)
    self.until { |mine, _, _| mine == id }[2]
  end

  # Returns the next message that fulfils a condition: its id, its entry, its offset if the entry is accepted.
  def until
    loop do
      offset, id, body = @read.pop
      entry = JSON.parse(body, symbolize_names: true) rescue next
      found = [id, entry, accept(entry) ? offset : nil]
      return found if yield found
    end
  end

  def close = @connection.close

  private

  def accept(entry)
    seat, author = entry.values_at(:seat, :author)
    case entry[:kind]
    when "joined"
      return false if @members.values.any? { |nick| nick.downcase(:fold) == author.downcase(:fold) }
      @members[seat] = author
    when "left" then @members.delete(seat)
    when "sent" then @members.key?(seat) && @texts << entry[:text]
    else true
    end
  end
end

puts "version #{Bunny::VERSION}"
room, seat = Room.new, SecureRandom.hex(12)
room.publish("opened", seat, epoch: SecureRandom.uuid) # when it comes back, the stream's end is known
other = SecureRandom.hex(12)
puts "refused nick_taken" unless room.publish("joined", other, author: "ann", node: other)
room.publish("joined", seat, author: NICK, node: seat) or raise "the name is taken"
puts "members #{room.members.values.sort.join(' ')}"
puts "reads #{hex(room.texts[-1])}"
puts "history #{room.texts[-3..-2].map { |text| hex(text) }.join(' ')}"

id = room.publish("sent", seat, author: NICK, n: 1, text: "ä 漢字\n&<>") + 1
puts "waiting"
_, entry, = room.until { |_, it, _| it[:kind] == "sent" && it[:author] == "ann" }
puts "waits #{hex(entry[:text])}"
room.publish("edited", seat, author: NICK, n: 2, id:, text: "漢字 ä\n<&>")
room.publish("deleted", seat, author: NICK, n: 3, id:)
room.publish("left", seat, author: NICK, node: seat)
room.close
