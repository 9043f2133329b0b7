"""Outlines of random diagrams, drawn as power items are: refusals, loops, detours, withdrawals, parallel work."""

from __future__ import annotations

from random import Random

ROLES = ("申请人", "村文书", "村委会主任", "村党支部书记", "印章保管员", "村监委", "乡镇经办人")
VERBS = ("登记", "审核", "核对", "会签", "公示", "查验", "送出", "定")
THINGS = ("材料", "申请", "方案", "批件", "台账", "结果", "理由", "预算表")
QUESTIONS = ("齐全？", "同意？", "通过？", "可以审批？", "内容一致？", "还能再提？")
ANSWERS = ("同意", "齐全", "可以", "通过")
REFUSALS = ("不予", "不同意", "退回", "不通过", "次数满")
KINDS = ("user", "user", "user", "service", "rule", "call")


class RandomOutline:
    """Grows a diagram step by step; every step hangs on the exits that are still open."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.lanes = self.random.randint(3, 7)
        self.wanted = self.random.randint(12, 34)
        self.lane = 0
        self.steps: list[tuple[int, str, str]] = []
        self.flows: dict[str, list[tuple[str, str]]] = {}
        #: (step, answer) that still lead nowhere
        self.open: list[tuple[str, str]] = []
        self.activities: list[str] = []

    def text(self) -> str:
        self.open = [(self.add("start", "提出申请"), "")]
        self.join("user")
        grow = (self.step, self.step, self.refusal, self.loop, self.detour, self.parallel, self.withdrawal)
        # Each growth adds five steps at most, and two are still to come.
        while len(self.steps) < self.wanted - 2:
            self.random.choice(grow)()
        self.join("user")
        self.join("end", "办结")
        lines = ["process trial 试验", "pool Participant_trial 试验"]
        for lane in range(self.lanes):
            lines.append(f"lane Lane_{lane} {ROLES[lane]}")
            for place, id, line in self.steps:
                if place == lane:
                    lines.append(f"  {line}")
                    lines += [f"    → {to}" + (f": {name}" if name else "") for to, name in self.flows.get(id, ())]
        return "\n".join(lines) + "\n"

    def add(self, kind: str, name: str = "", host: str = "") -> str:
        id = f"Node_{len(self.steps)}"
        self.steps.append((self.lane, id, f"{kind} {id}{f' @{host}' if host else ''} {name or self.name()}".rstrip()))
        return id

    def name(self) -> str:
        return self.random.choice(VERBS) + self.random.choice(THINGS)

    def join(self, kind: str = "", name: str = "") -> str:
        """Add a step behind everything that is open."""
        if self.random.random() < 0.4:
            self.lane = self.random.randrange(self.lanes)
        id = self.add(kind or self.random.choice(KINDS), name)
        for source, answer in self.open:
            self.lead(source, id, answer)
        self.open = [(id, "")]
        if kind != "end":
            self.activities.append(id)
        return id

    def lead(self, source: str, target: str, answer: str = "") -> None:
        self.flows.setdefault(source, []).append((target, answer))

    def step(self) -> None:
        self.join()

    def gateway(self) -> str:
        id = self.add("xor", self.random.choice(QUESTIONS))
        for source, answer in self.open:
            self.lead(source, id, answer)
        self.open = [(id, self.random.choice(ANSWERS))]
        return id

    def refusal(self) -> None:
        gateway = self.gateway()
        self.join()
        end = self.add("end:error", "不予办理")
        self.lead(gateway, end, self.random.choice(REFUSALS))

    def loop(self) -> None:
        back = self.random.choice(self.activities[-6:])
        gateway = self.gateway()
        self.join("user")
        self.lead(gateway, back, "退回补正")

    def detour(self) -> None:
        gateway = self.gateway()
        self.join("user")
        exits = list(self.open)
        self.open = [(gateway, "要会签")]
        for _ in range(self.random.randint(1, 2)):
            self.join("user")
        self.open += exits
        self.join()

    def parallel(self) -> None:
        fork = self.add("and", " ")
        for source, answer in self.open:
            self.lead(source, fork, answer)
        exits = []
        for _ in range(2):
            self.open = [(fork, "")]
            self.join("user")
            exits += self.open
        self.open = exits
        joining = self.add("and", " ")
        for source, answer in self.open:
            self.lead(source, joining, answer)
        self.open = [(joining, "")]

    def withdrawal(self) -> None:
        host = self.join("user")
        kind = self.random.choice(("boundary:message", "boundary:timer", "alongside:timer"))
        event = self.add(kind, self.random.choice(("申请人撤回", "逾期")), host)
        lane, self.lane = self.lane, self.random.choice((0, self.lane, self.lanes - 1))
        end = self.add("end", self.random.choice(("已撤回", "已提醒")))
        self.lane = lane
        self.lead(event, end)


def random_outline(seed: int) -> str:
    """Return the outline of a diagram with 12 to 38 nodes in 3 to 7 lanes; the same one for the same seed."""
    return RandomOutline(seed).text()
