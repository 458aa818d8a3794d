"""A chat server as in a good gRPC tutorial: `grpc.aio`, the generated classes, a queue for each client.

``chat bench fanout -b grpc`` compares ours with it: no log, no rules, the library's default settings, one
message to each receiver for each text. It serves only the stream of chat.proto. Run it with ``python -m
lab.bench.textbook_grpc PORT``.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc

from protos import chat_pb2 as pb
from protos import chat_pb2_grpc as rpc

Queue = asyncio.Queue[pb.ServerFrame]


class ChatService(rpc.ChatServiceServicer):
    def __init__(self) -> None:
        self.queues: set[Queue] = set()
        self.seq = 0

    async def Chat(
        self, request_iterator: AsyncIterator[pb.ClientFrame], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[pb.ServerFrame]:
        queue: Queue = asyncio.Queue()
        reader = asyncio.create_task(self.read(request_iterator, queue))
        try:
            while True:
                yield await queue.get()
        finally:
            reader.cancel()
            self.queues.discard(queue)

    async def read(self, requests: AsyncIterator[pb.ClientFrame], queue: Queue) -> None:
        nick = ""
        async for frame in requests:
            if frame.HasField("hello"):
                nick = frame.hello.nick
                queue.put_nowait(pb.ServerFrame(welcome=pb.Welcome(nick=nick)))
                self.queues.add(queue)
            elif frame.HasField("send"):
                self.seq += 1
                event = pb.Event(
                    kind=pb.Event.SENT,
                    seq=self.seq,
                    at=int(1000 * time.time()),
                    author=nick,
                    text=frame.send.text,
                )
                news = pb.ServerFrame(events=pb.Events(events=[event]))
                for receiver in self.queues:
                    receiver.put_nowait(news)


async def main(port: int) -> None:
    server = grpc.aio.server()
    service = ChatService()  # type: ignore[abstract]  # the generated class answers for what is left out
    rpc.add_ChatServiceServicer_to_server(service, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
