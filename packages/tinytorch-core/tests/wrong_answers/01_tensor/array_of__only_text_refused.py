"""What is not a number is text."""


def array_of(data: Any, dtype: DTypeLike | None = None) -> Array:
    for found in (np.asarray(data).dtype, np.dtype(dtype)):
        if found.kind in "US":
            raise TypeError(f"a tensor holds numbers, not {found}: {data!r:.60}")
    array = np.array(data, dtype=dtype, order="C")
    if dtype is None and array.dtype == np.float64:
        array = array.astype(np.float32)
    return array
