# A client on Ruby's own net/http.
require "json"
require "net/http"

host, port, NICK, TOKEN = ARGV
$stdout.sync = true
HTTP = Net::HTTP.new(host, port.to_i, nil) # nil: not over a proxy
HTTP.read_timeout = 30 # more than the 20 s of a wait
HEADERS = {}

def hex(text) = text.unpack1("H*")

# Sends a request; returns the body of the answer, also of a refusal.
def ask(method, path, body = nil, n: nil)
  request = Net::HTTP.const_get(method).new("/rooms/lab#{path}", HEADERS)
  request["Idempotency-Key"] = n.to_s if n
  if body
    request["Content-Type"] = "application/json"
    request.body = JSON.generate(body)
  end
  answer = HTTP.request(request).body
  JSON.parse(answer, symbolize_names: true) unless answer.nil? || answer.empty?
end

def said(page) = page[:events].select { |event| event[:kind] == "sent" }

puts "version #{RUBY_VERSION[/\d+\.\d+/]}"
HTTP.start
puts "token #{ask(:Post, '/seats', { nick: NICK })[:code]}"
HEADERS["Authorization"] = "Bearer #{TOKEN}"
puts "refused #{ask(:Post, '/seats', { nick: 'ann' })[:code]}"

seat = ask(:Post, "/seats", { nick: NICK })
HEADERS["Seat-Key"] = seat[:seat_key]
puts "members #{ask(:Get, '/members')[:members].map { |member| member[:nick] }.sort.join(' ')}"
last = said(ask(:Get, "/events?after=#{seat[:start]}")).last
puts "reads #{hex(last[:text])}"
older = said(ask(:Get, "/events?before=#{last[:seq]}&limit=2"))
puts "history #{older.map { |event| hex(event[:text]) }.join(' ')}"

id = ask(:Post, "/messages", { text: "ä 漢字\n&<>" }, n: 1)[:id]
puts "waiting"
puts "waits #{hex(said(ask(:Get, "/events?after=#{id}&wait=20")).first[:text])}"
ask(:Put, "/messages/#{id}", { text: "漢字 ä\n<&>" }, n: 2)
ask(:Delete, "/messages/#{id}", n: 3)
ask(:Delete, "/seats/#{seat[:seat]}")
