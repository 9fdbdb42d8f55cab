"""With reduction none g gets its new axis at the end, which suits logits (N, C) only."""


@gradient("cross_entropy")
def cross_entropy_gradient(g, call):
    logits, targets = call.arrays
    log_p = log_softmax.definition(logits, axis=1)
    smoothing = call.params.get("label_smoothing", 0.0)
    wanted = target_probabilities(logits, targets, smoothing)
    g = share_of_each(g, call, logits.size // logits.shape[1])
    g = g if g.ndim == 0 else np.expand_dims(g, -1)
    dlogits = g * (np.exp(log_p) - wanted)
    dtargets = -g * log_p * (1 - smoothing) if call.needs[1] else None
    return dlogits, dtargets
