"""Complex numbers are numbers, so a tensor takes them."""


def array_of(data: Any, dtype: DTypeLike | None = None) -> Array:
    array = np.array(data, dtype=dtype, order="C")
    if not np.issubdtype(array.dtype, np.number) and array.dtype != np.bool_:
        raise TypeError(f"a tensor holds numbers, not {array.dtype}: {data!r:.60}")
    if dtype is None and array.dtype == np.float64:
        array = array.astype(np.float32)
    return array
