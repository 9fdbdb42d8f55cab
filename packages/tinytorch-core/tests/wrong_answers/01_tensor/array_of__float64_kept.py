"""NumPy's types are good enough: whatever it chooses stays."""


def array_of(data: Any, dtype: DTypeLike | None = None) -> Array:
    for found in (np.asarray(data).dtype, np.dtype(dtype)):
        if found.kind not in "fiub":
            raise TypeError(f"a tensor holds numbers, not {found}: {data!r:.60}")
    return np.array(data, dtype=dtype, order="C")
