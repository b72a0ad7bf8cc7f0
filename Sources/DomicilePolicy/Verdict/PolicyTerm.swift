/// Something that a policy or its topology says, with a name, as text: what two policies are compared by.
public struct PolicyTerm: Sendable {
  public enum Kind: String, Sendable, Codable {
    case exclusion, rule, otherwise, assumption, attribute
    case dataClass = "class"
    case collection, retention
    /// Whether processes must say where they run.
    case location
    case region, shard
    /// Where the directory is.
    case directory
  }

  struct Identity: Hashable {
    let kind: Kind
    /// Empty where there is only one.
    let name: String
  }

  let identity: Identity
  let text: String

  init(kind: Kind, name: String, text: String) {
    identity = Identity(kind: kind, name: name)
    self.text = text
  }
}

extension ResidencyPolicy {
  /// All that is written, whenever it holds, in the order of the files.
  var terms: [PolicyTerm] {
    let printer = printer
    let exclusions = zip(written.exclusions, printer.texts("exclude")).map {
      PolicyTerm(kind: .exclusion, name: $0.name, text: $1)
    }
    let rules = zip(written.rules, printer.texts("rules")).map {
      PolicyTerm(kind: .rule, name: $0.name, text: $1)
    }
    let assumptions = written.assumptions.sorted { $0.key < $1.key }.map {
      PolicyTerm(kind: .assumption, name: $0.key, text: "\($0.value)")
    }
    let otherwise = printer.text("otherwise").map {
      [PolicyTerm(kind: .otherwise, name: "", text: $0)]
    }
    let attributes = attributes.map {
      PolicyTerm(kind: .attribute, name: $0, text: "declared")
    }
    let location = PolicyTerm(
      kind: .location, name: "", text: restrictsProcessing ? "must be said" : "need not be said")
    return exclusions + rules + (otherwise ?? []) + assumptions + attributes + classTerms
      + [location] + topologyTerms
  }

  private var classTerms: [PolicyTerm] {
    let ledger = rulebook.ledgerRetention.map {
      [PolicyTerm(kind: .retention, name: Rulebook.ledgerClass, text: $0.limits)]
    }
    return (ledger ?? [])
      + classes.flatMap { definition in
        [PolicyTerm(kind: .dataClass, name: definition.name, text: "a data class")]
          + definition.collections.map {
            PolicyTerm(kind: .collection, name: $0, text: "of the class \(definition.name)")
          }
          + (definition.retention.map {
            [PolicyTerm(kind: .retention, name: definition.name, text: $0.limits)]
          } ?? [])
      }
  }

  private var topologyTerms: [PolicyTerm] {
    let regions = topology.regions.map { region in
      let reach = region.operatedBy.jurisdictions.map(\.description).sorted()
      let certifications = region.operatedBy.certifications.sorted()
      return PolicyTerm(
        kind: .region, name: region.name,
        text: "in \(region.country), run by \(region.operatedBy.name)"
          + (reach.isEmpty ? "" : " under \(reach.joined(separator: ", "))")
          + (certifications.isEmpty ? "" : ", certified \(certifications.joined(separator: ", "))"))
    }
    let shards = topology.shards.map {
      PolicyTerm(
        kind: .shard, name: $0.name,
        text: "in \($0.region), accepts \($0.accepts.joined(separator: ", "))")
    }
    return regions + shards
      + [PolicyTerm(kind: .directory, name: "", text: "in \(topology.directoryRegion)")]
  }
}
