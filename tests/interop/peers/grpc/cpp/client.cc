// A client on gRPC's C++ library, with the classes that protoc made of chat.proto.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <functional>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "chat.grpc.pb.h"

using namespace chat::v1;

namespace {

std::string hex(const std::string& text) {
  std::string digits;
  for (unsigned char byte : text) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", byte);
    digits += two;
  }
  return digits;
}

// What every call carries.
std::unique_ptr<grpc::ClientContext> shown(const std::string& token) {
  auto context = std::make_unique<grpc::ClientContext>();
  if (!token.empty()) context->AddMetadata("authorization", "Bearer " + token);
  return context;
}

// One stream. Without a welcome it is over, and `error` holds why.
class Room {
 public:
  Room(ChatService::Stub& stub, const std::string& nick, const std::string& token)
      : context_(shown(token)), stream_(stub.Chat(context_.get())) {
    ClientFrame hello;
    hello.mutable_hello()->set_room("lab");
    hello.mutable_hello()->set_nick(nick);
    tell(hello);
    ServerFrame frame;
    if (stream_->Read(&frame)) {
      welcome = frame.welcome();
      return;
    }
    stream_->Finish();
    const auto& trailing = context_->GetServerTrailingMetadata();
    if (auto found = trailing.find("chat-error"); found != trailing.end()) {
      error.assign(found->second.data(), found->second.size());
    }
  }

  void tell(const ClientFrame& frame) { stream_->Write(frame); }

  // Returns the next event that fulfils a condition.
  Event until(const std::function<bool(const Event&)>& wanted) {
    for (;;) {
      while (events_.empty()) {
        ServerFrame frame;
        if (!stream_->Read(&frame)) throw std::runtime_error(stream_->Finish().error_message());
        for (const Event& event : frame.events().events()) events_.push_back(event);
      }
      Event event = events_.front();
      events_.pop_front();
      if (wanted(event)) return event;
    }
  }

  // Returns the event that answers an own draft.
  Event own(Event::Kind kind, uint64_t n) {
    return until([&](const Event& it) { return it.kind() == kind && it.n() == n && it.seat() == welcome.seat(); });
  }

  // Reads on to the end of the stream, which must be a good one.
  void end() {
    ServerFrame frame;
    while (stream_->Read(&frame)) {
    }
    if (grpc::Status status = stream_->Finish(); !status.ok()) throw std::runtime_error(status.error_message());
  }

  Welcome welcome;
  std::string error;

 private:
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReaderWriter<ClientFrame, ServerFrame>> stream_;
  std::deque<Event> events_;
};

}  // namespace

int main(int, char** arguments) {
  const std::string address = std::string(arguments[1]) + ":" + arguments[2], nick = arguments[3], token = arguments[4];
  grpc::ChannelArguments options;
  options.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  auto channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), options);
  const auto stub = ChatService::NewStub(channel);

  std::cout << "version " << grpc::Version() << std::endl;
  std::cout << "token " << Room(*stub, nick, "").error << std::endl;
  std::cout << "refused " << Room(*stub, "ann", token).error << std::endl;

  Room room(*stub, nick, token);
  MembersRequest who;
  who.set_room("lab");
  MembersReply there;
  stub->Members(shown(token).get(), who, &there);
  std::vector<std::string> nicks;
  for (const Member& member : there.members()) nicks.push_back(member.nick());
  std::sort(nicks.begin(), nicks.end());
  std::cout << "members";
  for (const std::string& one : nicks) std::cout << " " << one;
  Event last;
  room.until([&](const Event& it) {
    if (it.kind() == Event::SENT) last = it;
    return it.seq() == room.welcome.head();
  });
  std::cout << "\nreads " << hex(last.text()) << std::endl;
  HistoryRequest older;
  older.set_room("lab");
  older.set_before(last.seq());
  older.set_limit(2);
  HistoryReply page;
  stub->History(shown(token).get(), older, &page);
  std::cout << "history";
  for (const Event& event : page.events()) std::cout << " " << hex(event.text());

  ClientFrame send, edit, remove, leave;
  send.mutable_send()->set_n(1);
  send.mutable_send()->set_text("ä 漢字\n&<>");
  room.tell(send);
  const uint64_t id = room.own(Event::SENT, 1).id();
  std::cout << "\nwaiting" << std::endl;
  const Event later = room.until([](const Event& it) { return it.kind() == Event::SENT && it.author() == "ann"; });
  std::cout << "waits " << hex(later.text()) << std::endl;
  edit.mutable_edit()->set_n(2);
  edit.mutable_edit()->set_id(id);
  edit.mutable_edit()->set_text("漢字 ä\n<&>");
  room.tell(edit);
  room.own(Event::EDITED, 2);
  remove.mutable_delete_()->set_n(3);
  remove.mutable_delete_()->set_id(id);
  room.tell(remove);
  room.own(Event::DELETED, 3);
  leave.mutable_leave();
  room.tell(leave);
  room.end();
}
