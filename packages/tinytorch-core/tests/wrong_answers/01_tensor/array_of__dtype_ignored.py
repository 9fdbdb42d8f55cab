"""float64 is never wanted, so it is turned into float32 even where it was asked for."""


def array_of(data: Any, dtype: DTypeLike | None = None) -> Array:
    for found in (np.asarray(data).dtype, np.dtype(dtype)):
        if found.kind not in "fiub":
            raise TypeError(f"a tensor holds numbers, not {found}: {data!r:.60}")
    array = np.array(data, dtype=dtype, order="C")
    return array.astype(np.float32) if array.dtype == np.float64 else array
