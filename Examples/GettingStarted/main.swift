import Domicile

do {
  try await ResidencyRouter.initialize(data: "example-data", regions: "regions")
} catch {
  if error.code != .alreadyInitialized { throw error }
}
let router = try await ResidencyRouter.open(data: "example-data")

try await router.admit(UserID("ada"), residence: "DE")
let ada = try await router.user(UserID("ada"))  // hashed and routed once
let inbox = RecordCollection("inbox")  // the policy says its class: messages
try await ada.put("Hello".utf8, key: "2026/0001", in: inbox, expires: .after(.seconds(604_800)))
for try await record in ada.list(inbox, prefix: "2026/", order: .descending, limit: 20) {
  print(record.text ?? "", "is in", try await router.locate(UserID("ada")).placements[0].region)
}

do {
  try await router.admit(UserID("ivan"), residence: "RU")
} catch {
  print(error.code, "because of", error.verdict?.conflict.map(\.name) ?? [])
}
await router.close()
