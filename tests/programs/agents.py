"""Reinforcement learning: actor and critic, and a policy with a squashed normal distribution."""

from collections import namedtuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Categorical, Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

SavedAction = namedtuple("SavedAction", ["log_prob", "value"])


class Corridor:
    """Walk to the right end of a corridor; a state is the place and the speed."""

    def __init__(self, seed):
        self.random = np.random.RandomState(seed)

    def reset(self):
        self.place, self.speed, self.left = self.random.uniform(-0.2, 0.2), 0.0, 20
        return np.array([self.place, self.speed], dtype=np.float32)

    def step(self, action):
        self.speed = 0.8 * self.speed + 0.1 * float(action)
        self.place += self.speed
        self.left -= 1
        state = np.array([self.place, self.speed], dtype=np.float32)
        return state, -abs(1 - self.place), abs(self.place) > 2 or self.left == 0


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(2, 32)
        self.action_head = nn.Linear(32, 2)
        self.value_head = nn.Linear(32, 1)
        self.saved_actions, self.rewards = [], []

    def forward(self, x):
        x = F.relu(self.affine1(x))
        return F.softmax(self.action_head(x), dim=-1), self.value_head(x)


def select_action(model, state):
    probs, value = model(torch.from_numpy(state).float())
    m = Categorical(probs)
    action = m.sample()
    model.saved_actions.append(SavedAction(m.log_prob(action), value))
    return action.item()


def finish_episode(model, optimizer):
    eps, R, returns = np.finfo(np.float32).eps.item(), 0, []
    for r in model.rewards[::-1]:
        R = r + 0.95 * R
        returns.insert(0, R)
    returns = torch.tensor(returns, dtype=torch.float32)
    returns = (returns - returns.mean()) / (returns.std() + eps)
    policy_losses, value_losses = [], []
    for (log_prob, value), R in zip(model.saved_actions, returns):
        policy_losses.append(-log_prob * (R - value.item()))
        value_losses.append(F.smooth_l1_loss(value, torch.tensor([R])))
    optimizer.zero_grad()
    loss = torch.stack(policy_losses).sum() + torch.stack(value_losses).sum()
    loss.backward()
    optimizer.step()
    del model.rewards[:]
    del model.saved_actions[:]
    return loss.item()


def actor_critic():
    model, env = Policy(), Corridor(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    for episode in range(6):
        state, done = env.reset(), False
        while not done:
            state, reward, done = env.step(2 * select_action(model, state) - 1)
            model.rewards.append(reward)
        total = sum(model.rewards)
        loss = finish_episode(model, optimizer)
        print(f"episode {episode} reward {total:.3f} loss {loss:.3f}")


class Squashed(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 32), nn.Tanh())
        self.mean, self.log_std = nn.Linear(32, 1), nn.Linear(32, 1)

    def forward(self, x):
        h = self.body(x)
        base = Normal(self.mean(h), self.log_std(h).clamp(-5, 1).exp())
        return TransformedDistribution(base, [TanhTransform(cache_size=1)])


def soft_actor():
    actor, critic = Squashed(), nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 1))
    optimizer = torch.optim.Adam([*actor.parameters(), *critic.parameters()], lr=1e-2)
    env, buffer = Corridor(2), []
    state, done = env.reset(), False
    while not done:
        with torch.no_grad():
            action = actor(torch.from_numpy(state)).sample()
        after, reward, done = env.step(action.item())
        buffer.append((state, action.numpy(), reward))
        state = after
    states = torch.as_tensor(np.stack([s for s, _, _ in buffer]))
    actions = torch.as_tensor(np.stack([a for _, a, _ in buffer]))
    rewards = torch.tensor([r for _, _, r in buffer], dtype=torch.float32).unsqueeze(1)
    for step in range(8):
        value_loss = F.mse_loss(critic(torch.cat([states, actions], 1)), rewards)
        policy = actor(states)
        drawn = policy.rsample()
        entropy = -policy.log_prob(drawn).mean()
        actor_loss = -critic(torch.cat([states, drawn], 1)).mean() - 0.1 * entropy
        optimizer.zero_grad()
        (value_loss + actor_loss).backward()
        optimizer.step()
        if step % 3 == 0:
            print(f"step {step} value {value_loss.item():.4f} actor {actor_loss.item():.4f}")


torch.manual_seed(11)
actor_critic()
soft_actor()
