// Google Cloud: the project of the small machine for news and the watchdog.
import { GCP } from "../setup.ts";
import type { Step } from "../setup.ts";
import { readProject } from "../vendors/google.ts";
import { same } from "../words.ts";

export const google: Step = {
  name: "google",
  title: same("Google Cloud"),
  async run({ io, pulumi, endpoints }) {
    io.say({
      en: "console.cloud.google.com > create a project, link a billing account; then on this computer: gcloud auth application-default login (or GOOGLE_APPLICATION_CREDENTIALS=key.json)",
      ko: "console.cloud.google.com 에서 프로젝트를 만들고 결제 계정을 연결한 뒤, 이 컴퓨터에서: gcloud auth application-default login (또는 GOOGLE_APPLICATION_CREDENTIALS=key.json)",
    });
    let image = "";
    const project = await io.ask(
      { en: "The project's id:", ko: "프로젝트 ID:" },
      {
        check: async (id) => {
          const read = await readProject(endpoints.google, id);
          if (typeof read !== "string") image = read.image;
          return typeof read === "string"
            ? { en: `Google says: ${read}`, ko: `Google 응답: ${read}` }
            : null;
        },
      },
    );
    await pulumi.set(GCP, "gcp:project", project);
    await pulumi.set(GCP, "machineImage", image);
    io.say(same(`  ${project}, ${image}`));
  },
};
