import ArgumentParser
import Domicile

struct InitCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "init", abstract: "Make a new deployment: keys, directory, shards.",
    discussion: """
      The hash key is a secret. Escrow it: without it no user can be found by id, and nobody can make it \
      again.
      """)

  @OptionGroup var deployment: DeploymentOptions
  @OptionGroup var regions: RegionsOptions

  func run() async throws {
    let policy = try regions.policy()
    try await reporting(about: deployment) {
      try deployment.checkCarried(policy)
      let application = try await ResidencyRouter.initialize(
        data: deployment.data, regions: regions.regions, options: deployment.routerOptions)
      Terminal.print(
        "Initialized: policy generation \(application.generation), digest \(application.digest.short)."
      )
      Terminal.print("Escrow the hash key: losing it loses access by user.")
      Terminal.print("Keep the ledger key from whoever must not sign, and escrow it.")
      let router = try await ResidencyRouter.open(
        data: deployment.data, options: deployment.routerOptions)
      deployment.printCheckpoint(router, since: 0)
      await router.close()
      try report(pending: application)
    }
  }
}

/// Says what became of an apply, and ends with the exit code for that.
func report(_ application: PolicyApplication, over generation: Int64) throws {
  let done = application.generation == generation ? "in force already" : "applied"
  Terminal.print(
    "\(application.isApplied ? done : "pending"): policy generation \(application.generation),"
      + " digest \(application.digest.short)")
  try report(pending: application)
}

/// Names the shards that are not stamped yet, and ends with the exit code for that.
func report(pending application: PolicyApplication) throws {
  for (shard, reason) in application.pending {
    Terminal.error("pending: the shard \(shard): \(reason.message)")
  }
  if !application.isApplied { throw ExitCode.pending }
}
