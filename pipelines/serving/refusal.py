"""Why a request is refused: one exception, with the canonical code that gRPC sends and the HTTP status for it."""

import grpc
import tensorflow as tf

HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}  # every other code is the server's own fault: 500

_BY_NUMBER = {code.value[0]: code for code in grpc.StatusCode}
_LONGEST_REASON = 1024  # gRPC sends the reason in a header, and many clients refuse headers above 8 KiB


class Refusal(Exception):
    """A request that gets `code` and `reason` instead of an answer."""

    def __init__(self, code: grpc.StatusCode, reason: str):
        self.code = code
        self.reason = reason if len(reason) <= _LONGEST_REASON else reason[:_LONGEST_REASON] + "..."
        super().__init__(self.reason)

    @property
    def http_status(self) -> int:
        """The HTTP status that TensorFlow Serving gives to the code."""
        return HTTP_STATUS.get(self.code, 500)


def invalid(reason: str) -> Refusal:
    """The refusal of a request that can't be right whatever the server's state."""
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, reason)


def missing(reason: str) -> Refusal:
    """The refusal of a request for something that isn't there."""
    return Refusal(grpc.StatusCode.NOT_FOUND, reason)


def from_tensorflow(error: tf.errors.OpError) -> Refusal:
    """A refusal with the code of the failed operation and its message without the list of graph nodes."""
    reason = str(error.message).split("\n\t [[")[0].strip()
    return Refusal(_BY_NUMBER.get(error.error_code, grpc.StatusCode.UNKNOWN), reason)
