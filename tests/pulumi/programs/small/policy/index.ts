// A policy pack of one rule.
import { PolicyPack } from "@pulumi/policy";

new PolicyPack("small", {
  policies: [
    {
      name: "volume-size",
      description: "A volume holds no more than 100 GB.",
      enforcementLevel: "mandatory",
      validateResource: (args, report) => {
        if (args.type === "oci:Core/volume:Volume" && Number(args.props["sizeInGbs"]) > 100)
          report("A volume of more than 100 GB is refused.");
      },
    },
  ],
});
