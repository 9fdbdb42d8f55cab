"""What NumPy can convert to the dtype that was asked for is a number."""


def array_of(data: Any, dtype: DTypeLike | None = None) -> Array:
    array = np.array(data, dtype=dtype, order="C")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"a tensor holds numbers, not {array.dtype}: {data!r:.60}")
    if dtype is None and array.dtype == np.float64:
        array = array.astype(np.float32)
    return array
