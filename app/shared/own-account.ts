// Accounts that no broker has: what an edge says beside the market. Neither has a lease, so its batches carry
// epoch 0; that an edge fills none but its own stands in for it (migration 0018, the gateway's admission).
import type { Table } from "./table.ts";

/** The account under which an edge's news travel. */
export function newsAccount(edge: string): string {
  return `news:${edge}`;
}

/** The account under which an edge's log lines travel. */
export function logAccount(edge: string): string {
  return `log:${edge}`;
}

/** Whose log a batch of the table `log` is. */
export function edgeOfLog(account: string): string {
  return account.replace(/^log:/, "");
}

/** Tables that the accounts without a lease fill; an item of a feed that cannot be read is a reject like any. */
const OWN_TABLES: Record<string, readonly Table[]> = {
  news: ["news", "quarantine"],
  log: ["log"],
};

/** Whether `account` is one that some edge has by its name. */
export function isAnybodysOwn(account: string): boolean {
  return (account.split(":")[0] ?? "") in OWN_TABLES;
}

/** Whether `account` is one that edge `edge` has by its name alone. */
export function isOwnAccount(edge: string, account: string): boolean {
  return account === newsAccount(edge) || account === logAccount(edge);
}

/** Whether rows of `table` may come under `account` without a lease. */
export function isUnleased(account: string, table: Table): boolean {
  return OWN_TABLES[account.split(":")[0] ?? ""]?.includes(table) ?? false;
}
