"""The REST half: TensorFlow Serving's paths under `/v1`, as an ASGI application that never outgrows its limits."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import unquote

import grpc
from google.protobuf import json_format
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from pipelines.serving import calls
from pipelines.serving.json_answers import classification_to_json, outputs_to_json, regression_to_json
from pipelines.serving.json_examples import examples_from_json
from pipelines.serving.json_tensors import inputs_from_json, parse, signature_name
from pipelines.serving.refusal import Refusal, invalid
from pipelines.serving.servables import Servables, Spec

log = logging.getLogger(__name__)

_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_CALL = re.compile(rf"/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<method>classify|regress|predict)", re.IGNORECASE)
_QUERY = re.compile(rf"/v1/models/(?P<name>[^/:]+){_VERSION}(?P<metadata>/metadata)?", re.IGNORECASE)
_PROTO_JSON = dict(preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


@dataclass(frozen=True)
class Limits:
    """What one server takes on; more is refused, so its memory is bounded whatever is sent."""

    request_bytes: int = 32 * 2**20  # of one request
    pending: int = 64  # requests that are being read, wait or run
    pending_bytes: int = 256 * 2**20  # of those requests' bodies together, over REST
    read_seconds: float = 30.0  # for a request's body to arrive


class _TooLarge(Exception):
    """A body above the limit."""


class _Busy(Exception):
    """More requests, or bytes of them, than the limits allow."""


class RestApp:
    """The application; `workers` decode, run and encode, so that the event loop only moves bytes."""

    def __init__(self, servables: Servables, workers: Executor, limits: Limits):
        self._servables = servables
        self._workers = workers
        self._limits = limits
        self._pending = 0  # these two change in the event loop alone
        self._pending_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it."""
        try:
            response = await self._answer(Request(scope, receive))
        except Exception as error:  # a fault of the server's own, which must not end it
            log.exception("%s %s failed", scope["method"], scope["path"])
            response = _error(500, f"{type(error).__name__}: {error}")
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        # The path as it was sent: in the decoded one, a %2F or %3A of a name would pass for a separator.
        path = request.scope["raw_path"].decode("ascii", "replace")
        try:
            match request.method:
                case "GET" if found := _QUERY.fullmatch(path):
                    return _json(await self._in_worker(self._query, _spec(found), bool(found["metadata"])))
                case "POST" if found := _CALL.fullmatch(path):
                    async with self._body(request) as body:
                        method = found["method"].lower()
                        return _json(await self._in_worker(self._call, _spec(found), method, body))
            if request.method == "GET" and path.lower() == "/v1/models":
                return _error(400, "Missing model name in request.")
            known = path.lower().startswith("/v1/")
            return _error(
                400 if known else 404, f"{'Malformed request' if known else 'Not Found'}: {request.method} {path}"
            )
        except Refusal as refusal:
            return _error(refusal.http_status, refusal.reason)
        except _TooLarge:
            await self._discard(request)
            reason = f"the request is larger than the limit of {self._limits.request_bytes} bytes"
            return _error(413, reason, {"connection": "close"})
        except TimeoutError:
            reason = f"the request did not arrive within {self._limits.read_seconds:g} s"
            return _error(408, reason, {"connection": "close"})
        except _Busy:
            return _error(429, "the server is busy; try again later", {"retry-after": "1", "connection": "close"})
        except ClientDisconnect:
            return Response(status_code=499)  # nobody is there to read it

    @asynccontextmanager
    async def _body(self, request: Request) -> AsyncIterator[bytearray]:
        """The body, counted against the limits until the block ends; nothing above them is ever held."""
        if int(request.headers.get("content-length", 0)) > self._limits.request_bytes:
            raise _TooLarge
        if self._pending >= self._limits.pending:
            raise _Busy
        self._pending += 1
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.read_seconds):
                async for chunk in request.stream():
                    if len(body) + len(chunk) > self._limits.request_bytes:
                        raise _TooLarge
                    if self._pending_bytes + len(chunk) > self._limits.pending_bytes:
                        raise _Busy
                    body += chunk
                    self._pending_bytes += len(chunk)
            yield body
        finally:
            self._pending -= 1
            self._pending_bytes -= len(body)

    async def _discard(self, request: Request) -> None:
        """Reads on for a while and keeps nothing: a client that still sends when the connection closes would see a
        broken pipe and not the reason. One that asked first (`Expect: 100-continue`) has sent nothing yet.
        """
        if request.headers.get("expect", "").lower() == "100-continue":
            return
        left = 8 * self._limits.request_bytes
        try:
            async with asyncio.timeout(self._limits.read_seconds):
                while left > 0:
                    message = await request.receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body"):
                        return
        except TimeoutError:
            return

    async def _in_worker(self, function, *arguments):
        return await asyncio.get_running_loop().run_in_executor(self._workers, function, *arguments)

    def _query(self, spec: Spec, metadata: bool) -> str:
        if not metadata:
            return json_format.MessageToJson(self._servables.status(spec), **_PROTO_JSON)
        with self._servables.use(spec) as servable:
            return metadata_json(calls.metadata(servable))

    def _call(self, spec: Spec, method: str, body: bytearray) -> str:
        document = parse(body)
        name = signature_name(document)
        if method == "predict":
            with self._servables.use(spec) as servable:
                signature = calls.signature_of(servable, name, grpc.StatusCode.INVALID_ARGUMENT)
                request_format, inputs = inputs_from_json(document, signature.inputs)
                del document  # the lists of Python numbers weigh many times what the tensors do
                outputs = calls.predict(servable, signature, inputs)
            return outputs_to_json(outputs, request_format)
        examples = examples_from_json(document)
        with self._servables.use(spec) as servable:
            signature = calls.signature_of(servable, name, grpc.StatusCode.INVALID_ARGUMENT)
            if method == "classify":
                return classification_to_json(calls.classify(servable, signature, examples))
            return regression_to_json(calls.regress(servable, signature, examples))


def metadata_json(response) -> str:
    """A GetModelMetadataResponse as the server prints it: the signatures unpacked, without their type's URL."""
    signatures = calls.unpacked_signatures(response)
    document = {
        "model_spec": json_format.MessageToDict(response.model_spec, **_PROTO_JSON),
        "metadata": {"signature_def": json_format.MessageToDict(signatures, **_PROTO_JSON)},
    }
    return json.dumps(document, indent=1)


def _spec(found: re.Match) -> Spec:
    version = found["version"]
    if version is not None and int(version) >= 2**63:
        raise invalid(f"Failed to convert version: {version} to numeric")
    label = found["label"]
    return Spec(unquote(found["name"]), int(version) if version else None, unquote(label) if label else None)


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")


def _error(status: int, reason: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": reason}, status, headers)
