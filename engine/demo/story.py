"""The matters of the demo county: one in every state, told through the public doors of the engine."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from PIL import Image, ImageDraw

from engine.clock import LOCAL, FrozenClock, local_date
from engine.demo.people import People
from engine.process_engine import ProcessEngine
from engine.services.matters import Upload
from engine.views import Started
from engine.workdays import is_workday

ITEM = "seal_use"
MAIN = "石桥村"


@dataclass(frozen=True)
class Request:
    """What a villager asks for."""

    village: str
    applicant: str
    group: str
    document: str
    purpose: str
    kind: str = "proof"
    copies: int = 2
    amount: str = ""
    resolution: str = ""


class Storyteller:
    """Plays the people of the demo county, one act at a time."""

    def __init__(self, engine: ProcessEngine, clock: FrozenClock, people: People, now: datetime) -> None:
        self.engine = engine
        self.clock = clock
        self.people = people
        self.now = now
        self._picture = sample_picture()

    def at(self, workdays_ago: int, hour: int, minute: int = 0) -> None:
        """Set the clock to a working day before now; never later than now, never back."""
        day = local_date(self.now)
        for _ in range(workdays_ago):
            day = _workday_before(day)
        moment = datetime.combine(day, time(hour, minute), LOCAL)
        self.clock.at = max(min(moment, self.now), self.clock.at if workdays_ago == 0 else moment)

    def ask(self, request: Request, *, by_clerk: bool = False) -> Started:
        """A villager, or the clerk for him, asks for the seal."""
        return self.engine.runtime.start(
            ITEM,
            unit_id=self.people.unit(request.village),
            data={
                "applicant_name": [request.applicant],
                "phone": ["13800001001"],
                "group_name": [request.group],
                "document_name": [request.document],
                "purpose": [request.purpose],
                "kind": [request.kind],
                "amount": [request.amount],
                "resolution_number": [request.resolution],
                "copies": [str(request.copies)],
            },
            files={"document_photo": [self._upload("要盖章的文件.png")]},
            by=self.people.posts[request.village, "CL"] if by_clerk else None,
        )

    def register(self, started: Started, request: Request, **changes: str) -> None:
        """The clerk registers."""
        values = {
            "applicant": self.people.ids.get(request.applicant, ""),
            "kind": request.kind,
            "amount": request.amount,
            "resolution_number": request.resolution,
            "papers": "complete",
            **changes,
        }
        if not values["applicant"]:
            values["not_on_roll"] = "true"
        self.do(started, request.village, "CL", values)

    def do(
        self,
        started: Started,
        village: str,
        role: str,
        values: Mapping[str, str | Sequence[str]],
        files: tuple[str, ...] = (),
    ) -> None:
        """Whoever has the post completes the matter's open task."""
        person = self.people.posts[village, role]
        task_id = self.task_id(started, person)
        papers = self._papers(task_id, person, files) if files else {}
        self.engine.tasks.complete(
            task_id,
            by=person,
            data={key: [value] if isinstance(value, str) else list(value) for key, value in values.items()},
            files=papers,
        )

    def _papers(self, task_id: str, person: str, fields: tuple[str, ...]) -> dict[str, list[Upload]]:
        """Return a picture for each field, called what the form calls it."""
        form = self.engine.tasks.open(task_id, by=person).form
        labels = {field.key: field.label.partition("（")[0] for field in form.fields}
        return {key: [self._upload(f"{labels[key]}.png")] for key in fields}

    def task_id(self, started: Started, person: str) -> str:
        """Return the open task of a matter."""
        trace = self.engine.history.trace(started.receipt, by=person)
        return next(stop.task_id for stop in trace.stops if stop.task_id)

    def approve(self, started: Started, request: Request) -> None:
        """The director agrees."""
        self.do(
            started,
            request.village,
            "VD",
            {"approve.decision": "agree", "approved_copies": str(request.copies)},
        )

    def finish(self, started: Started, request: Request) -> None:
        """The keeper compares and stamps."""
        self.do(started, request.village, "SK", {"compare.decision": "agree"})
        self.do(started, request.village, "SK", {"stamped_copies": str(request.copies)}, ("scan",))

    def _upload(self, name: str) -> Upload:
        return Upload(name, io.BytesIO(self._picture))


def tell(engine: ProcessEngine, clock: FrozenClock, people: People, now: datetime) -> tuple[str, str]:
    """Let everything happen; return (回执号, 查询码) of the matter villagers look up."""
    teller = Storyteller(engine, clock, people, now)
    _resolutions(teller)
    _finished(teller)
    _ended_otherwise(teller)
    _elsewhere(teller)
    return _open(teller)


def _resolutions(teller: Storyteller) -> None:
    """Two resolutions of the main village: one in the register, one waiting for the board."""
    for ago, number, subject, countersigned in (
        (20, "石桥〔2026〕7号", "三组水渠清淤工程发包", True),
        (1, "石桥〔2026〕9号", "村集体鱼塘续包", False),
    ):
        teller.at(ago, 9)
        started = teller.engine.runtime.start(
            "resolution_entry",
            unit_id=teller.people.unit(MAIN),
            data={
                "number": [number],
                "body": ["villager_representatives"],
                "subject": [subject],
                "decided_on": [(local_date(teller.clock.now()) - timedelta(days=2)).isoformat()],
            },
            by=teller.people.posts[MAIN, "CL"],
        )
        teller.do(started, MAIN, "CL", {}, ("minutes", "attendance"))
        if countersigned:
            teller.at(ago - 1, 10)
            teller.do(started, MAIN, "SB", {"countersign.decision": "agree"})


def _finished(teller: Storyteller) -> None:
    """Stamped in the last weeks: enough to say what is usual."""
    done = (
        (18, Request(MAIN, "杨春梅", "1组", "居住情况说明", "孩子入园登记，交镇中心幼儿园")),
        (15, Request(MAIN, "刘大柱", "5组", "农机购置情况证明", "办理农机补贴，交镇农业服务中心", copies=1)),
        (13, Request(MAIN, "许满仓", "4组", "农田受灾情况证明", "办理农业保险理赔", copies=3)),
        (11, Request(MAIN, "唐月娥", "4组", "土地承包情况证明", "办理种植业保险，交镇农业服务中心")),
        (9, Request(MAIN, "罗桂香", "5组", "参加村内公益劳动证明", "交用人单位", copies=1)),
        (8, Request("柳湾村", "贾水生", "1组", "种植面积证明", "办理种粮补贴")),
        (7, Request("双井村", "万福来", "1组", "养殖情况证明", "办理防疫补助", copies=1)),
    )
    for ago, request in done:
        teller.at(ago, 9, 10)
        started = teller.ask(request, by_clerk=ago % 2 == 0)
        teller.at(ago, 10, 30)
        teller.register(started, request)
        teller.at(ago - 1, 9, 40)
        teller.approve(started, request)
        teller.at(ago - 1, 15, 20)
        teller.finish(started, request)


def _ended_otherwise(teller: Storyteller) -> None:
    """Refused by the table, refused by the director, withdrawn."""
    blank = Request(MAIN, "谢有田", "3组", "空白介绍信", "外出打工备用", kind="other")
    teller.at(6, 9)
    started = teller.ask(blank)
    teller.at(6, 11)
    teller.register(started, blank, blank="true")
    untrue = Request(MAIN, "黄永福", "2组", "承包面积证明", "办理贷款，交镇信用社")
    teller.at(5, 9)
    started = teller.ask(untrue)
    teller.at(5, 14)
    teller.register(started, untrue)
    teller.at(4, 10)
    teller.do(
        started,
        MAIN,
        "VD",
        {
            "approve.decision": "refuse",
            "refusal.code": "content_untrue",
            "refusal.text": "证明里写的承包面积 4.2 亩，与台账登记的 3.6 亩不一致。",
            "refusal.basis": _basis(teller, started),
            "refusal.remedy": "请带承包合同到村便民服务室更正面积，更正后当天可以重新申请。",
        },
    )
    withdrawn = Request(MAIN, "唐月娥", "4组", "宅基地四邻说明", "自己留存", copies=1)
    teller.at(4, 15)
    started = teller.ask(withdrawn)
    teller.at(3, 9)
    teller.engine.runtime.correlate(started.receipt, message="withdraw", code=started.code, note="不用了")


def _basis(teller: Storyteller, started: Started) -> str:
    person = teller.people.posts[MAIN, "VD"]
    page = teller.engine.tasks.open(teller.task_id(started, person), by=person)
    return page.choices["refusal.basis"][0].value


def _elsewhere(teller: Storyteller) -> None:
    """The villages whose posts are filled otherwise."""
    both = Request("青坪村", "宋秋菊", "1组", "助学金申请书", "交县教育基金会", kind="application", copies=1)
    teller.at(3, 9)
    started = teller.ask(both)
    teller.at(3, 11)
    teller.register(started, both)
    teller.at(2, 9)
    teller.approve(started, both)
    alone = Request("梅垭村", "史来喜", "1组", "创业补助申请书", "交镇便民服务中心", kind="application", copies=1)
    teller.at(3, 9, 20)
    started = teller.ask(alone)
    teller.at(2, 10)
    teller.register(started, alone)
    vacant = Request("桑园村", "向阳生", "1组", "蚕桑种植证明", "办理产业奖补", copies=2)
    teller.at(5, 9, 30)
    started = teller.ask(vacant)
    teller.at(4, 9)
    teller.register(started, vacant)
    teller.at(3, 10)
    teller.approve(started, vacant)


def _open(teller: Storyteller) -> tuple[str, str]:
    """The main village today: red, yellow, due today, on time, held, new."""
    red = Request(MAIN, "罗桂香", "5组", "灵活就业情况证明", "办理社保补贴，交镇便民服务中心", copies=1)
    _registered(teller, red, 7)
    yellow = Request(MAIN, "张秀英", "3组", "土地承包情况证明", "办理种植业保险，交镇农业服务中心")
    sample = _registered(teller, yellow, 3)
    due = Request(MAIN, "刘大柱", "5组", "农机作业面积证明", "办理作业补助", copies=1)
    started = _registered(teller, due, 2)
    teller.at(1, 16)
    teller.approve(started, due)
    both = Request(MAIN, "许满仓", "4组", "扶持资金申请书", "交镇农业服务中心", kind="application", copies=1)
    started = _registered(teller, both, 1)
    teller.at(0, 8, 50)
    teller.approve(started, both)
    lacking = Request(MAIN, "杨春梅", "1组", "分户情况说明", "交镇便民服务中心", copies=1)
    teller.at(3, 10)
    started = teller.ask(lacking)
    teller.at(2, 9)
    teller.register(started, lacking, papers="supplement", lack="请补一张家庭成员名单，每个人签字。")
    relative = Request(MAIN, "王小满", "2组", "务农情况证明", "办理培训报名", copies=1)
    _registered(teller, relative, 1)
    fresh = Request(MAIN, "谢有田", "3组", "大棚建设情况证明", "办理设施农业补助", copies=2)
    teller.at(0, 8, 40)
    teller.ask(fresh)
    return sample.receipt, sample.code


def _registered(teller: Storyteller, request: Request, ago: int) -> Started:
    teller.at(ago, 9)
    started = teller.ask(request)
    teller.at(ago, 15, 10)
    teller.register(started, request)
    return started


def _workday_before(day: date) -> date:
    day -= timedelta(days=1)
    while not is_workday(day):
        day -= timedelta(days=1)
    return day


def sample_picture() -> bytes:
    """Draw a sheet with lines: a document nobody has to read."""
    image = Image.new("RGB", (420, 594), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 419, 593), outline="#aeb8b1", width=3)
    draw.line((130, 70, 290, 70), fill="#4a5652", width=9)
    for row in range(9):
        draw.line((60, 130 + row * 34, 360 if row % 4 != 3 else 230, 130 + row * 34), fill="#7d8983", width=5)
    draw.line((240, 500, 350, 500), fill="#7d8983", width=5)
    draw.line((250, 535, 350, 535), fill="#7d8983", width=5)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
