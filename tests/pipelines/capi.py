"""SavedModels in TensorFlow's C++ loader, the one that TensorFlow Serving uses, through the C API inside the wheel.

As a program, `python capi.py FOLDER REQUESTS ANSWERS`, it imports nothing of the project: REQUESTS and ANSWERS are
pickles of {name: (signature, {input: array})} and {name: {output: array}}.
"""

import ctypes
import math
import pickle
import sys
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

STRING_BYTES = 24  # sizeof(TF_TString)


class Buffer(ctypes.Structure):
    """TF_Buffer."""

    _fields_ = (("data", c_void_p), ("length", c_size_t), ("deallocator", c_void_p))


class Output(ctypes.Structure):
    """TF_Output: one output of one operation of the graph."""

    _fields_ = (("operation", c_void_p), ("index", c_int))


FUNCTIONS = dict(
    TF_NewStatus=(c_void_p,),
    TF_GetCode=(c_int, c_void_p),
    TF_Message=(c_char_p, c_void_p),
    TF_NewGraph=(c_void_p,),
    TF_NewBuffer=(POINTER(Buffer),),
    TF_NewSessionOptions=(c_void_p,),
    TF_LoadSessionFromSavedModel=(
        c_void_p,
        c_void_p,
        c_void_p,
        c_char_p,
        POINTER(c_char_p),
        c_int,
        c_void_p,
        POINTER(Buffer),
        c_void_p,
    ),
    TF_GraphOperationByName=(c_void_p, c_void_p, c_char_p),
    TF_SessionRun=(
        None,
        c_void_p,
        c_void_p,
        POINTER(Output),
        POINTER(c_void_p),
        c_int,
        POINTER(Output),
        POINTER(c_void_p),
        c_int,
        c_void_p,
        c_int,
        c_void_p,
        c_void_p,
    ),
    TF_DeleteSession=(None, c_void_p, c_void_p),
    TF_AllocateTensor=(c_void_p, c_int, POINTER(c_int64), c_int, c_size_t),
    TF_DeleteTensor=(None, c_void_p),
    TF_TensorData=(c_void_p, c_void_p),
    TF_TensorType=(c_int, c_void_p),
    TF_NumDims=(c_int, c_void_p),
    TF_Dim=(c_int64, c_void_p, c_int),
    TF_StringInit=(None, c_void_p),
    TF_StringCopy=(None, c_void_p, c_char_p, c_size_t),
    TF_StringGetDataPointer=(c_void_p, c_void_p),
    TF_StringGetSize=(c_size_t, c_void_p),
)  # name: (result, *arguments)


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(Path(tf.__file__).parent / "libtensorflow_cc.so.2"))
    for name, (result, *arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


C = _library()


def _tensor(array: np.ndarray, kind: int) -> int:
    """A TF_Tensor with a copy of `array`; strings where `kind` is DT_STRING."""
    strings = kind == types_pb2.DT_STRING
    array = np.ascontiguousarray(array, object if strings else tf.as_dtype(kind).as_numpy_dtype)
    size = array.size * STRING_BYTES if strings else array.nbytes
    tensor = C.TF_AllocateTensor(kind, (c_int64 * array.ndim)(*array.shape), array.ndim, size)
    data = C.TF_TensorData(tensor)
    if strings:
        for i, value in enumerate(array.flat):
            C.TF_StringInit(data + i * STRING_BYTES)
            C.TF_StringCopy(data + i * STRING_BYTES, value, len(value))
    elif size:
        ctypes.memmove(data, array.ctypes.data, size)
    return tensor


def _array(tensor: int) -> np.ndarray:
    """A copy of a TF_Tensor; strings become an array of bytes objects."""
    shape = [C.TF_Dim(tensor, axis) for axis in range(C.TF_NumDims(tensor))]
    count, kind, data = math.prod(shape), C.TF_TensorType(tensor), C.TF_TensorData(tensor)
    if kind != types_pb2.DT_STRING:
        dtype = np.dtype(tf.as_dtype(kind).as_numpy_dtype)
        return np.frombuffer(ctypes.string_at(data, count * dtype.itemsize) if count else b"", dtype).reshape(shape)
    places = [data + i * STRING_BYTES for i in range(count)]
    values = [ctypes.string_at(C.TF_StringGetDataPointer(p), C.TF_StringGetSize(p)) for p in places]
    return np.array(values, object).reshape(shape)


class Bundle:
    """A loaded SavedModel. Raises RuntimeError, with TensorFlow's code and message, for whatever TensorFlow refuses."""

    def __init__(self, folder: Path):
        self._status, self._graph, description = C.TF_NewStatus(), C.TF_NewGraph(), C.TF_NewBuffer()
        self._session = C.TF_LoadSessionFromSavedModel(
            C.TF_NewSessionOptions(),
            None,
            str(folder).encode(),
            (c_char_p * 1)(b"serve"),
            1,
            self._graph,
            description,
            self._status,
        )
        self._check()
        meta = MetaGraphDef.FromString(ctypes.string_at(description.contents.data, description.contents.length))
        self.signatures = meta.signature_def

    def _check(self) -> None:
        if C.TF_GetCode(self._status):
            message = C.TF_Message(self._status).decode(errors="replace")  # it may quote a request's bytes
            raise RuntimeError(f"code {C.TF_GetCode(self._status)}: {message}")

    def _output(self, name: str) -> Output:
        operation, _, index = name.partition(":")
        return Output(C.TF_GraphOperationByName(self._graph, operation.encode()), int(index or 0))

    def run(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Every output of a signature, by name."""
        form = self.signatures[signature]
        fed = [_tensor(value, form.inputs[key].dtype) for key, value in inputs.items()]
        fetched = (c_void_p * len(form.outputs))()
        sources = [self._output(form.inputs[key].name) for key in inputs]
        targets = [self._output(output.name) for output in form.outputs.values()]
        C.TF_SessionRun(
            self._session,
            None,
            (Output * len(fed))(*sources),
            (c_void_p * len(fed))(*fed),
            len(fed),
            (Output * len(targets))(*targets),
            fetched,
            len(targets),
            None,
            0,
            None,
            self._status,
        )
        for tensor in fed:
            C.TF_DeleteTensor(tensor)
        self._check()
        answers = {key: _array(tensor) for key, tensor in zip(form.outputs, fetched, strict=True)}
        for tensor in fetched:
            C.TF_DeleteTensor(tensor)
        return answers

    def close(self) -> None:
        """Gives the memory back."""
        C.TF_DeleteSession(self._session, self._status)


def main(folder: str, requests: str, answers: str) -> None:
    """Answers every request of a file."""
    bundle = Bundle(folder)
    wanted = pickle.loads(Path(requests).read_bytes())
    given = {name: bundle.run(signature, inputs) for name, (signature, inputs) in wanted.items()}
    given["modules"] = sorted(sys.modules)
    Path(answers).write_bytes(pickle.dumps(given))


if __name__ == "__main__":
    main(*sys.argv[1:])
