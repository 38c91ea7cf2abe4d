import { behaviour } from "./support/behaviour.js";
import { fakeWorld } from "./support/world.js";

behaviour(fakeWorld());
