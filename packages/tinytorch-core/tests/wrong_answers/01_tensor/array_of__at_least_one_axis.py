"""A number is a list of one number, so it has an axis."""


def array_of(data: Any, dtype: DTypeLike | None = None) -> Array:
    for found in (np.asarray(data).dtype, np.dtype(dtype)):
        if found.kind not in "fiub":
            raise TypeError(f"a tensor holds numbers, not {found}: {data!r:.60}")
    array = np.array(data, dtype=dtype, order="C", ndmin=1)
    if dtype is None and array.dtype == np.float64:
        array = array.astype(np.float32)
    return array
