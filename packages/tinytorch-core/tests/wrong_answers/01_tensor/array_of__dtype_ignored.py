"""float64 is never wanted, so it is turned into float32 even where it was asked for."""


def array_of(data: Any, dtype: DTypeLike | None = None) -> Array:
    array = np.array(data, dtype=dtype, order="C")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"a tensor holds numbers, not {array.dtype}: {data!r:.60}")
    return array.astype(np.float32) if array.dtype == np.float64 else array
