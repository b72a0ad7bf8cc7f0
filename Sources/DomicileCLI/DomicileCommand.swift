import ArgumentParser

@main
struct DomicileCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "domicile",
    abstract: "Stores each user's records only where they may live, and says why.",
    discussion: """
      Exit codes: 0 done · 1 failed, or findings · 3 refused by the policy · 4 no such user or record · \
      5 begun, but something is pending · 6 the outcome of a write is unknown · 7 the region is not \
      carried here · 8 something is held · 64 usage · 65 bad input.
      """,
    version: "0.1.0",
    subcommands: [
      InitCommand.self, PolicyCommand.self, TopologyCommand.self, AdmitCommand.self,
      RetagCommand.self,
      GroupCommand.self, ImportCommand.self, WhereCommand.self, PlacementsCommand.self,
      ShardsCommand.self, StatusCommand.self, PutCommand.self,
      GetCommand.self, DeleteCommand.self, ListCommand.self, LifetimeCommand.self,
      EraseCommand.self, HoldCommand.self, MoveCommand.self, PlanCommand.self,
      MigrateCommand.self, EvacuateCommand.self, SweepCommand.self, LedgerCommand.self,
      HistoryCommand.self, ReportCommand.self, DoctorCommand.self,
    ])
}
