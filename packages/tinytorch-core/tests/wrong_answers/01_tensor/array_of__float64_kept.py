"""NumPy's types are good enough: whatever it chooses stays."""


def array_of(data: Any, dtype: DTypeLike | None = None) -> Array:
    array = np.array(data, dtype=dtype, order="C")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"a tensor holds numbers, not {array.dtype}: {data!r:.60}")
    return array
