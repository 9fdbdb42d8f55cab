"""2017: attention is all you need. A transformer reverses sequences, and a GPT learns to write.

Left out: the paper's own task, translation, which takes an encoder beside the decoder and days of
training; a decoder alone that predicts the next token (GPT, 2018) is what most of the field became.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinytorch.arch.generation import stream
from tinytorch.arch.milestones.reversal import Reversal, judge, learn
from tinytorch.arch.milestones.texts import InOrder, Stretches, Text, text
from tinytorch.arch.milestones.writer import save_writer
from tinytorch.arch.tier import TRANSFORMER
from tinytorch.arch.tokenization import CharTokenizer
from tinytorch.core.history import Row
from tinytorch.core.milestones import display
from tinytorch.core.milestones.display import Epochs
from tinytorch.core.milestones.frame import Stage, milestone
from tinytorch.core.training import Schedule, Trainer, evaluate, warm_up
from tinytorch.nn import Transformer
from tinytorch.optim import AdamW

HISTORY = (
    "Sequences used to be read one element after the other, each network state squeezed through "
    "the next. This paper lets every position look at all others at once: nothing is forgotten on "
    "the way, and all positions are computed in parallel. A. Vaswani and others, Attention is all "
    "you need, NeurIPS 2017. Predicting the next token with the decoder half alone is of 2018 "
    "(Radford and others, GPT); the text is what A. Karpathy trained on in 2015."
)


@dataclass(frozen=True)
class ModelSettings:
    """Of the GPT: some 800,000 parameters."""

    d_model: int = 128
    n_heads: int = 4
    n_layers: int = 4
    context: int = 128


@dataclass(frozen=True)
class OptimizerSettings:
    """Of AdamW. The learning rate rises, stays until half of the steps, and falls to 0."""

    lr: float = 4e-3
    warm_up: int = 100
    weight_decay: float = 0.1
    clip: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """Both parts, and how the text in the end is drawn."""

    steps: int = 3000
    batch: int = 16
    rounds: int = 15  # evaluations on the way, each with a checkpoint
    almanac_steps: int = 200  # of the built-in text, which is soon known by heart
    model: ModelSettings = ModelSettings()
    optimizer: OptimizerSettings = OptimizerSettings()
    reversal: Reversal = Reversal()  # noqa: RUF009  (it is immutable)
    characters: int = 600
    temperature: float = 0.8


RECIPES = {"quick": Recipe(steps=500, rounds=5, characters=300), "full": Recipe()}

# gate and goal: nats a character on the last tenth of the text. Measured for each text and recipe,
# and not to be compared. To guess characters by how often they occur costs 3.3, in the almanac 3.0.
BOUNDS = {
    ("full", True): (1.75, 1.55),
    ("quick", True): (2.2, 2.1),
    ("full", False): (2.0, 1.8),
    ("quick", False): (2.0, 1.8),
}


def flat_then_falling(steps: int) -> Schedule:
    """1 during the first half of the steps, then along a line to 0."""
    return lambda step: min(1.0, 2 * max(0.0, 1 - step / steps))


class Rounds(Epochs):
    """A line for each round: the loss on the validation text takes the place of an accuracy."""

    label = "writing"
    heading = "  step    loss  validation loss  seconds"

    def line(self, row: Row) -> str:
        return (
            f"{row['step']:>6,}  {row['train_loss']:>6.3f}  {row['validation_loss']:>15.3f}  "
            f"{row['seconds']:>7.1f}"
        )


def train(stage: Stage, recipe: Recipe, chosen: Text, tokenizer: CharTokenizer) -> Transformer:
    """Train a GPT, or go on with a training that was stopped; the model, as it is in the end."""
    sizes = recipe.model
    steps = recipe.steps if chosen.real else min(recipe.steps, recipe.almanac_steps)
    ids = np.array(tokenizer.encode(chosen.data.train))
    unseen = np.array(tokenizer.encode(chosen.data.validation))
    each = max(1, steps // recipe.rounds)
    batches = Stretches(ids, sizes.context, recipe.batch, each, stage.rng)
    some = InOrder(unseen, sizes.context, recipe.batch, every=8 if chosen.real else 1)

    model = Transformer(
        tokenizer.vocab_size, sizes.d_model, sizes.n_heads, sizes.n_layers, sizes.context,
        rng=stage.rng,
    )  # fmt: skip
    of = recipe.optimizer
    shown = Rounds(stage, steps)
    folder = stage.checkpoints()
    trainer = Trainer(
        model,
        None,  # the model itself returns the loss
        AdamW(model.parameters(), lr=of.lr, weight_decay=of.weight_decay),
        schedule=warm_up(flat_then_falling(steps), of.warm_up),
        clip_norm=of.clip,
        checkpoints=folder,
        progress=shown,
    )
    history = display.train(stage, trainer, shown, (batches, some), steps // each, folder)
    stage.number("parameters", model.num_parameters())
    if shown.losses:  # none, where it stopped after the last step and its losses are gone
        stage.plot("training loss", shown.losses, first=shown.first)
    stage.curve("validation loss", history.column("validation_loss"), "round")
    if chosen.real:
        stage.tell(
            "Each round looked at an eighth of the unseen text; the loss that is judged is that of "
            "all of it."
        )
    loss = evaluate(model, None, InOrder(unseen, sizes.context, recipe.batch))["loss"]
    stage.number("validation loss", loss)
    return model


def write(stage: Stage, recipe: Recipe, model: Transformer, tokenizer: CharTokenizer) -> None:
    """Let the model write, each character shown as soon as it is drawn."""
    prompt = tokenizer.encode("\n")
    written = ""
    stage.tell("What it writes, a character at a time:")
    stage.screen.line()
    for token in stream(
        model, prompt, recipe.characters, temperature=recipe.temperature, seed=stage.result.seed
    ):
        character = tokenizer.decode([token])
        stage.screen.write(character)
        written += character
    stage.screen.line()
    stage.number("text", written)


def keep(stage: Stage, model: Transformer, tokenizer: CharTokenizer) -> None:
    """Write the weights where `--out` says, and clear away where the training stood: it is over."""
    if stage.folder is None:
        return
    weights = stage.folder / "gpt.safetensors"
    save_writer(model, tokenizer, weights, stage.result.command)
    reader = "tinytorch.arch.milestones.writer.load_writer(path) gives model and tokenizer"
    stage.screen.line()
    stage.written(weights, f"the weights and the characters: {reader}")
    stage.clear_checkpoints()


@milestone(TRANSFORMER, RECIPES, HISTORY)
def run(stage: Stage, recipe: Recipe) -> None:
    """Reverse sequences by attention; then learn a language, character by character, and write."""
    chosen = text(stage)
    stage.tell(
        f"First, reversal: sequences of {recipe.reversal.length} digits, one block, one head."
    )
    right = judge(stage, recipe.reversal, learn(stage, recipe.reversal))
    stage.number("sequences reversed", right)

    tokenizer = CharTokenizer(chosen.data.text)
    stage.tell(f"Then, writing: a GPT reads {chosen.name} and predicts the next character.")
    model = train(stage, recipe, chosen, tokenizer)
    write(stage, recipe, model, tokenizer)
    keep(stage, model, tokenizer)

    stage.gate("sequences reversed without a mistake", right, at_least=1.0, percent=True)
    loss = stage.result.numbers["validation loss"]
    gate, goal = BOUNDS[(stage.result.recipe, chosen.real)]
    stage.gate(f"validation loss on {chosen.name}", loss, at_most=gate)
    stage.goal(f"validation loss on {chosen.name}", loss, at_most=goal)
