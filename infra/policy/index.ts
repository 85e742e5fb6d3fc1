// The policy pack: `pulumi preview --policy-pack infra/policy` fails on whatever would bill or endanger.
// Making a PolicyPack starts its server, so this file is the only one that does; rules are in rules/.
import { PolicyPack } from "@pulumi/policy";
import * as pulumi from "@pulumi/pulumi";
import { factsOf } from "./facts.ts";
import { policiesOf } from "./rule.ts";
import { rules } from "./rules/all.ts";

// The project is named: in a policy pack, the default name is not the stack's.
new PolicyPack("tickhub", { policies: policiesOf(rules, factsOf(new pulumi.Config("tickhub"))) });
