"""Server reflection, version 1, with what the library has of v1alpha.

The two versions have the same messages under another package name, as their specifications say. Newer tools
ask for v1 first, and some for nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection, reflection_pb2

ALPHA = reflection.SERVICE_NAME
V1 = ALPHA.replace("v1alpha", "v1")


def add(server: grpc.aio.Server, files: Iterable[Any]) -> None:
    """Let a server describe the services of some files, and reflection itself, in both versions.

    Args:
        server: One that is not started yet.
        files: The `DESCRIPTOR` of each generated module, with the services that are served.
    """
    pool = DescriptorPool()  # of its own: it has no more files than these
    services = []
    for file in (*map(_copy, files), _copy(reflection_pb2.DESCRIPTOR), _v1()):
        services += [f"{file.package}.{service.name}" for service in file.service]
        pool.Add(file)
    servicer: Any = reflection.aio.ReflectionServicer(services, pool)
    for service in (ALPHA, V1):
        handler = grpc.stream_stream_rpc_method_handler(
            servicer.ServerReflectionInfo,
            reflection_pb2.ServerReflectionRequest.FromString,
            reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        handlers = {"ServerReflectionInfo": handler}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


def _copy(file: Any) -> FileDescriptorProto:
    return FileDescriptorProto.FromString(file.serialized_pb)


def _v1() -> FileDescriptorProto:
    """Return the file of version 1: that of v1alpha with another package."""
    file = _copy(reflection_pb2.DESCRIPTOR)
    file.name = file.name.replace("v1alpha", "v1")
    file.package = file.package.replace("v1alpha", "v1")
    for field in (field for message in file.message_type for field in message.field):
        if field.type_name:
            field.type_name = field.type_name.replace("v1alpha", "v1")
    for method in (method for service in file.service for method in service.method):
        method.input_type = method.input_type.replace("v1alpha", "v1")
        method.output_type = method.output_type.replace("v1alpha", "v1")
    file.ClearField("options")
    return file
