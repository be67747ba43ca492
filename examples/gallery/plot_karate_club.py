"""
Communities of a karate club
============================

In the early seventies W. W. Zachary watched a karate club fall apart over a quarrel between its instructor and its
administrator, and wrote down which of the 34 members met outside the club [1]_. Who went with whom? A network of two
graph convolutions [2]_ finds out from the friendships, knowing the side of two members only: those two.

.. [1] W. W. Zachary, "An Information Flow Model for Conflict and Fission in Small Groups", Journal of Anthropological
   Research 33(4), 1977, pp. 452-473. :doi:`10.1086/jar.33.4.3629752`
.. [2] T. N. Kipf and M. Welling, "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017.
   :doi:`10.48550/arXiv.1609.02907`
"""

# %%
# The graph has an edge for each friendship. About the members themselves nothing is known, so that the input of each is
# a channel of its own: the identity matrix.

import matplotlib.pyplot as plt
import networkx
import numpy as np

import ndconv

club = networkx.karate_club_graph()
friendships = networkx.to_scipy_sparse_array(club, weight=None)
members = np.eye(len(club))
side = np.array([community != "Mr. Hi" for community in networkx.get_node_attributes(club, "club").values()], int)
labelled = [0, 33]  # the instructor and the administrator

# %%
# Two layers: 34 channels to 8, and those to a score for either side. The first mixes each member with the friends, the
# second with the friends' friends.

rng = np.random.default_rng(0)
HIDDEN, SIDES = 8, 2
weights = [rng.standard_normal((n, m)) * np.sqrt(2 / (n + m)) for n, m in ((len(club), HIDDEN), (HIDDEN, SIDES))]
biases = [np.zeros(HIDDEN), np.zeros(SIDES)]


def forward() -> tuple[np.ndarray, np.ndarray]:
    """Return the hidden channels of all members, and the probabilities of their sides."""
    hidden = ndconv.graph_conv(members, friendships, weights[0], biases[0], activation="tanh")
    scores = ndconv.graph_conv(hidden, friendships, weights[1], biases[1])
    likelihood = np.exp(scores - scores.max(axis=1, keepdims=True))
    return hidden, likelihood / likelihood.sum(axis=1, keepdims=True)


# %%
# Training is gradient descent on the cross-entropy of the two known members. Its gradient with respect to the scores is
# the difference between the probabilities and the truth, and nothing at the other members; from there it goes back
# through one layer after the other.

STEPS, RATE, DECAY = 200, 0.5, 5e-3
truth = np.eye(SIDES)[side]

for step in range(STEPS + 1):
    hidden, probability = forward()
    if step % 50 == 0:
        loss = -np.log(probability[labelled, side[labelled]]).mean()
        print(f"step {step:3}: loss of the two known members {loss:.4f}", flush=True)
    grad_scores = np.zeros_like(probability)
    grad_scores[labelled] = (probability - truth)[labelled] / len(labelled)
    second = ndconv.graph_conv_backward(grad_scores, hidden, friendships, weights[1])
    first = ndconv.graph_conv_backward(
        second.x * (1 - hidden**2), members, friendships, weights[0], needs=("weight", "bias")
    )
    for layer, gradients in enumerate((first, second)):
        weights[layer] -= RATE * (gradients.weight + DECAY * weights[layer])
        biases[layer] -= RATE * gradients.bias

# %%
# The rest of the club chose as the network says, or did they?

hidden, probability = forward()
learned = probability.argmax(axis=1)
accuracy = (learned == side).mean()
print(f"{(learned == side).sum()} of {len(club)} members on the side that they chose: accuracy {accuracy:.3f}")
assert accuracy >= 0.9

# %%
# Colours are what was learned, a ring marks a member who chose otherwise, and the two squares were known beforehand.

place = networkx.spring_layout(club, seed=1)
figure, axes = plt.subplots(figsize=(8, 6), layout="constrained")
networkx.draw_networkx_edges(club, place, ax=axes, edge_color="#b8bfc8")
for shape, chosen in (("o", [node for node in club if node not in labelled]), ("s", labelled)):
    drawn = networkx.draw_networkx_nodes(
        club, place, nodelist=chosen, node_shape=shape, ax=axes, node_size=330,
        node_color=probability[chosen, 1], cmap="RdBu", vmin=0, vmax=1,
        edgecolors=["#1b263b" if learned[node] == side[node] else "#c58b00" for node in chosen],
        linewidths=[1 if learned[node] == side[node] else 4 for node in chosen],
    )  # fmt: skip
for colour, is_sure in (("white", True), ("black", False)):
    labels = {node: node for node in club if (abs(probability[node, 1] - 0.5) > 0.25) == is_sure}
    networkx.draw_networkx_labels(club, place, labels, ax=axes, font_size=8, font_color=colour)
figure.colorbar(drawn, ax=axes, label="probability of the administrator's side", shrink=0.7)
axes.set_title(f"Two known members, {len(club) - 2} learned: accuracy {accuracy:.3f}")
axes.set_axis_off()

plt.show()
