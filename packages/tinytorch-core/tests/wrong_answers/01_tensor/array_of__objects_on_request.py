"""Whoever asks for a dtype, whichever it is, gets it."""


def array_of(data: Any, dtype: DTypeLike | None = None) -> Array:
    if np.asarray(data).dtype.kind not in "fiub":
        raise TypeError(f"a tensor holds numbers: {data!r:.60}")
    array = np.array(data, dtype=dtype, order="C")
    if dtype is None and array.dtype == np.float64:
        array = array.astype(np.float32)
    return array
