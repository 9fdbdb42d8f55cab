"""Targets are taken never to want a gradient."""


@gradient("cross_entropy")
def cross_entropy_gradient(g, call):
    logits, targets = call.arrays
    log_p = log_softmax.definition(logits, axis=1)
    smoothing = call.params.get("label_smoothing", 0.0)
    wanted = target_probabilities(logits, targets, smoothing)
    g = share_of_each(g, call, logits.size // logits.shape[1])
    g = g if g.ndim == 0 else np.expand_dims(g, 1)
    dlogits = g * (np.exp(log_p) - wanted)
    dtargets = None
    return dlogits, dtargets
