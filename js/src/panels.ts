/** What is not needed to paint the page first: panels that open later, and whatever opens over the page. */

export { Finish } from "./aftermath/finish";
export { LostAgent } from "./aftermath/lost";
export { DetachedActions, FailureActions, OneMore } from "./aftermath/noticeactions";
export { Config } from "./config";
export { saveImage } from "./curves/image";
export { Range } from "./curves/range";
export { CurvesTable } from "./curves/table";
export { Compare } from "./drawer/compare";
export { Drawer } from "./drawer/drawer";
export { Enqueue } from "./enqueue";
export { Figures } from "./figures";
export { Parallel } from "./parallel";
export { RunMenu } from "./runs/actions";
export { ColumnChoice } from "./runs/columnchoice";
export { filterColumns, parseFilter } from "./runs/filter";
export { Keys } from "./runs/keys";
export { FrontCard } from "./shell/front";
export { AgentMenu, Join, StartForm } from "./shell/hiring";
export { FailureLog } from "./shell/log";
export { HeaderMenu, StopMenu } from "./shell/menus";
export { Queue } from "./shell/queue";
export { Popover } from "./ui/popover";
