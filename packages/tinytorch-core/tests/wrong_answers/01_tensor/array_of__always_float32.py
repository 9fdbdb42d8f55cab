"""Everything in a network is float32, integers and labels too."""


def array_of(data: Any, dtype: DTypeLike | None = None) -> Array:
    array = np.array(data, dtype=dtype or np.float32, order="C")
    if np.array(data).dtype.kind not in "fiub":
        raise TypeError(f"a tensor holds numbers: {data!r:.60}")
    return array
