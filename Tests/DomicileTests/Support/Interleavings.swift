/// All orders in which sequences can take their steps.
func interleavings<Step>(_ sequences: [[Step]]) -> [[Step]] {
  if sequences.allSatisfy(\.isEmpty) { return [[]] }
  return sequences.indices.filter { !sequences[$0].isEmpty }.flatMap { index in
    var rest = sequences
    let step = rest[index].removeFirst()
    return interleavings(rest).map { [step] + $0 }
  }
}
