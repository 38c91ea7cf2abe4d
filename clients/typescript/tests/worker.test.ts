import { behaviour } from "./support/behaviour.js";
import { realWorld } from "./support/world.js";

behaviour(await realWorld());
