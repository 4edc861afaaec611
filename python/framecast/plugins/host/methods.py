"""The calls that plugins answer: their paths on the wire, and what goes in and comes out."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError, Message

from framecast.plugins.host.grpc.status import GrpcError, StatusCode
from framecast.plugins.schema.go_plugin_pb2 import Empty, StdioData
from framecast.plugins.schema.health_pb2 import HealthCheckRequest, HealthCheckResponse
from framecast.plugins.schema.pluginv2_pb2 import (
    CheckHealthRequest,
    CheckHealthResponse,
    PublishStreamRequest,
    PublishStreamResponse,
    QueryDataRequest,
    QueryDataResponse,
    RunStreamRequest,
    StreamPacket,
    SubscribeStreamRequest,
    SubscribeStreamResponse,
)

Request = TypeVar("Request", bound=Message)
Answer = TypeVar("Answer", bound=Message)


@dataclass(frozen=True, slots=True)
class Method(Generic[Request, Answer]):
    """One call."""

    path: str
    request: type[Request]
    answer: type[Answer]

    @property
    def name(self) -> str:
        """Its name alone, for people and metrics."""
        return self.path.rpartition("/")[2]

    def read(self, message: bytes) -> Answer:
        """Parse an answer. GrpcError, INTERNAL, for what is none."""
        try:
            return self.answer.FromString(message)
        except DecodeError:
            raise GrpcError(StatusCode.INTERNAL, f"the plugin's answer is no {self.answer.DESCRIPTOR.name}") from None


SUBSCRIBE_STREAM = Method("/pluginv2.Stream/SubscribeStream", SubscribeStreamRequest, SubscribeStreamResponse)
PUBLISH_STREAM = Method("/pluginv2.Stream/PublishStream", PublishStreamRequest, PublishStreamResponse)
RUN_STREAM = Method("/pluginv2.Stream/RunStream", RunStreamRequest, StreamPacket)
CHECK_HEALTH = Method("/pluginv2.Diagnostics/CheckHealth", CheckHealthRequest, CheckHealthResponse)
QUERY_DATA = Method("/pluginv2.Data/QueryData", QueryDataRequest, QueryDataResponse)
HEALTH = Method("/grpc.health.v1.Health/Check", HealthCheckRequest, HealthCheckResponse)
STREAM_STDIO = Method("/plugin.GRPCStdio/StreamStdio", Empty, StdioData)
SHUTDOWN = Method("/plugin.GRPCController/Shutdown", Empty, Empty)
