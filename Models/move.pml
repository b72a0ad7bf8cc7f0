/*
 * The life of one placement: admission, writes, moves, erasure, a policy that changes; with crashes and sleeps of anyone between any two
 * transactions. One user, one class, two shards. docs/moving.md says the same in words; DomicileMigration takes the same steps.
 *
 * Each `atomic` block is one transaction of one file. Between two of them everybody else may go on, so that a process that sleeps, or
 * dies and is taken over, needs nothing of its own: it is one that others overtake.
 *
 * What is compiled in:
 *   MOVERS    how many movers there are            MOVES      how many moves they begin
 *                                                  TAKEOVERS  how often a move may be taken over, at most
 *   WRITES    how many writes are made             ERASER     somebody erases the user, and another life may begin
 *   POLICY    a policy is applied that forbids a shard
 *   ADMITTERS how many admit; without, the user is placed in shard 0
 *   MUTANT=n  a guard is left out; scripts/check-model names them
 */
#ifndef MOVERS
#define MOVERS 2
#endif
#ifndef MOVES
#define MOVES 1
#endif
#ifndef ADMITTERS
#define ADMITTERS 0
#endif
#ifndef TAKEOVERS
#define TAKEOVERS 2
#endif
#ifndef WRITES
#define WRITES 2
#endif
#ifndef MUTANT
#define MUTANT 0
#endif
#define M(n) (MUTANT == n)

#define NOWHERE 2

/* `opened` is the state that is called active elsewhere: that is a word of Promela. */
mtype = { none, absent, incoming, opened, copying, frozen, moved, erased };
mtype = { unknown, admitting, placed, erasing };
mtype = { planned, aborting, flipped };
mtype = { all, again, last };  /* what a mover copies */

/* A home: one row of a shard with the records under it. */
typedef Home {
  mtype state = none;
  byte serial;    /* names the home */
  byte token;     /* of whoever moves or erases it */
  byte value;     /* the last write that is in it; 0: none */
  bit life;       /* whose value it is: the first or the second life of the user */
  bit changed;    /* noted for the mover */
};
Home home[2];

/* A shard: the generation by which it decides. */
bit stamped[2];
byte floor_[2];

/* The directory. */
byte serials = 1;
bit generation;
bit forbidden;            /* the shard that generation 1 forbids */
mtype user = unknown;
byte at = NOWHERE;        /* the placement's shard */
byte atSerial;            /* and serial; of `admitting` the token */
byte erasure;             /* the erasure's token; 0: none */
mtype move = none;        /* none: there is none */
byte moveToken, moveSource, moveTarget, moveSerial;
bit life;                 /* grows when the user was erased */
bit isGone;               /* whether the first life was reported erased */

/* What the world knows. */
bit applied;
byte acknowledged;        /* the last write that was acknowledged, in this life */
byte written, takeovers, moves, lives;
byte running;             /* processes that are not over */

#define permits(shard, law) (!(law) || (shard) != forbidden)
#define fence(s) (home[s].serial > home[s].token -> home[s].serial : home[s].token)
#define accepts(s) (home[s].state == opened || home[s].state == copying)
/* The law by which whoever asks has decided is that of the shard, which is not behind the directory. */
#define inForce(s, law) (stamped[s] == (law) && generation == stamped[s])

/* Bytes are added to a shard. */
inline adding(s) {
  assert(!(applied && s == forbidden));
}

/* Always: at most one home takes writes, and it has all that were acknowledged. */
inline check() {
  assert(!(accepts(0) && accepts(1)));
  assert(!accepts(0) || home[0].value == acknowledged);
  assert(!accepts(1) || home[1].value == acknowledged);
  assert(!isGone || (!(home[0].value && home[0].life == 0) && !(home[1].value && home[1].life == 0)));
}

inline clear(s) { home[s].value = 0; home[s].life = 0; home[s].changed = 0; }

/* A backend that writes. What it believes may be as old as it likes. */
proctype Writer() {
  byte s, serial; bit law, l;
  do
  :: written < WRITES ->
    atomic {
      if
      :: user == placed -> s = at; serial = atSerial; law = generation; l = life
      :: else -> break
      fi
    }
    atomic {
      if
      :: home[s].serial == serial && (inForce(s, law) || M(1)) && permits(s, law) &&
         (accepts(s) || (M(2) && home[s].state == frozen)) ->
        written++;
        adding(s);
        home[s].value = written; home[s].life = l; acknowledged = written;
        if :: home[s].state == copying && !M(3) -> home[s].changed = 1 :: else fi;
        check();
      :: home[s].state == incoming && home[s].serial == serial && user == placed && at == s && atSerial == serial ->
        home[s].state = opened;  /* opened by whoever finds it so */
        check();
      :: else
      fi
    }
  :: break
  od;
  running--;
}

#define mine(s) (home[s].token == token || M(4))

/* A mover: plans a move or takes one over, and goes through the steps; it may stop anywhere. */
proctype Mover() {
  byte token, source, target, serial, value, sourceSerial; bit law, l; mtype pass;
begin:
  atomic {
    if
    :: user == placed && move == none && moves < MOVES && permits(1 - at, generation) ->
      moves++; move = planned;
      moveSerial = serials + 1; serials = serials + 2; moveToken = serials;
      moveSource = at; moveTarget = 1 - at; sourceSerial = atSerial;
    :: move != none && takeovers < TAKEOVERS && !erasure ->
      takeovers++;
      if :: M(5) :: else -> serials++; moveToken = serials fi;
      sourceSerial = (move == flipped -> 0 : atSerial);
    :: else -> goto over
    fi;
    token = moveToken; source = moveSource; target = moveTarget; serial = moveSerial; law = generation;
    pass = all;
    if
    :: move == flipped -> goto clean
    :: move == aborting -> goto rollback
    :: else
    fi
  }

  /* Both homes under the token, before anything else. */
  atomic {
    if
    :: fence(source) <= token && home[source].serial == sourceSerial && (accepts(source) || home[source].state == frozen) ->
      home[source].token = token; home[source].state = copying;
      check();
    :: else -> goto stopped
    fi
  }
  atomic {
    if
    :: !inForce(target, law) || !permits(target, law) -> goto lawful
    :: else ->
      if
      :: (home[target].state == none && token > floor_[target]) ||
         ((home[target].state == absent || home[target].state == moved || (home[target].state == erased && !home[target].value)) && fence(target) <= token) ||
         (home[target].state == incoming && fence(target) <= token) ->
        home[target].state = incoming; home[target].serial = serial; home[target].token = token;
      :: else -> goto stopped
      fi
    fi
  }

copy:
  /* The range is read, then written where it differs; after it was verified only what has changed. */
  atomic {
    if
    :: home[source].serial == sourceSerial && pass == last && !home[source].changed -> goto flip
    :: home[source].serial == sourceSerial && pass == again && !home[source].changed -> goto freeze
    :: home[source].serial == sourceSerial && (pass == all || home[source].changed) ->
      value = home[source].value; l = home[source].life;
    :: else -> goto stopped
    fi
  }
  atomic {
    if
    :: home[target].state == incoming && home[target].serial == serial && mine(target) ->
      if
      :: (inForce(target, law) && permits(target, law)) || M(6) ->
        if
        :: value != home[target].value ->
          if :: value -> adding(target) :: else fi;
          home[target].value = value; home[target].life = l;
        :: else
        fi
      :: else -> goto lawful
      fi;
      check();
    :: else -> goto stopped
    fi
  }
  /* What was copied as it still is need not be copied again. */
  atomic {
    if
    :: home[source].serial == sourceSerial && mine(source) && (home[source].state == copying || home[source].state == frozen) ->
      if :: home[source].value == value || M(7) -> home[source].changed = 0 :: else fi
    :: else -> goto stopped
    fi
  }
  if
  :: pass != all -> goto copy
  :: pass == all -> skip
  :: pass == all -> goto abort   /* the operator has thought better of it */
  fi;
  /* Verified before the freeze. */
  atomic {
    if
    :: home[source].serial == sourceSerial && (home[source].changed || home[target].value == home[source].value) -> pass = again
    :: else -> goto abort
    fi
  }
  goto copy;

freeze:
  atomic {
    if
    :: home[source].serial == sourceSerial && mine(source) && home[source].state == copying ->
      if :: M(8) :: else -> home[source].state = frozen fi;
      pass = last;
    :: else -> goto stopped
    fi
  }
  if
  :: goto copy
  :: goto thaw                   /* the budget is spent, or somebody came by after the deadline */
  fi;

flip:
  atomic {
    if
    :: M(17) && home[target].state == incoming && home[target].serial == serial -> home[target].state = opened; check();
    :: else
    fi
  }
  /* The commit point. */
  atomic {
    if
    :: move == planned && (moveToken == token || M(9)) && !erasure ->
      if
      :: (generation == law && permits(target, law)) || M(10) ->
        assert(!(applied && target == forbidden));
        move = flipped; at = target; atSerial = serial;
        check();
      :: else -> goto lawful
      fi
    :: else -> goto stopped
    fi
  }

clean:
  /* Anybody opens it; the mover does. */
  atomic {
    if
    :: home[target].state == incoming && home[target].serial == serial && at == target && atSerial == serial ->
      home[target].state = opened; check();
    :: else
    fi
  }
  /* A take-over stamps the source before it empties it. */
  atomic {
    if
    :: fence(source) <= token && (home[source].state == frozen || home[source].state == moved) ->
      home[source].token = token;
    :: else -> goto stopped
    fi
  }
  atomic {
    if
    :: (home[source].state == frozen || home[source].state == moved) && mine(source) || M(12) ->
      clear(source); home[source].state = moved; check();
    :: else -> goto stopped
    fi
  }
  atomic {
    if
    :: move == flipped && moveToken == token -> move = none
    :: else
    fi
  }
  goto stopped;

thaw:
  atomic {
    if
    :: home[source].serial == sourceSerial && (mine(source) || M(11)) && home[source].state == frozen ->
      home[source].state = copying; pass = again; check();
    :: else -> goto stopped
    fi
  }
  if :: goto copy :: goto abort fi;

lawful:
  /* The policy has changed: is the target legal still? */
  atomic {
    if
    :: move == planned && moveToken == token ->
      law = generation; pass = all;
      stamped[target] = generation; stamped[source] = generation; /* whoever finds a shard behind raises it */
      if
      :: permits(target, law) ->
        if
        :: home[source].state == frozen && home[source].token == token -> home[source].state = copying
        :: else
        fi;
        goto copy
      :: else -> goto abort
      fi
    :: else -> goto stopped
    fi
  }

abort:
  atomic {
    if
    :: move == planned && moveToken == token -> move = aborting
    :: else -> goto stopped
    fi
  }
rollback:
  /* The target's home first: as long as one may be opened the source stays as it is. */
  atomic {
    if
    :: M(13) -> skip
    :: else ->
      if
      :: fence(target) <= token && (home[target].state == incoming || home[target].state == absent || home[target].state == none ||
           home[target].state == moved || home[target].state == erased) ->
        clear(target); home[target].state = (M(18) -> none : absent);
        home[target].serial = (M(18) -> 0 : token); home[target].token = 0; check();
      :: home[target].state == incoming && M(14) ->
        clear(target); home[target].state = absent; home[target].serial = token; home[target].token = 0; check();
      :: else -> goto stopped
      fi
    fi
  }
  atomic {
    if
    :: fence(source) <= token && (accepts(source) || home[source].state == frozen) ->
      home[source].token = token; home[source].changed = 0; home[source].state = opened; check();
    :: else -> goto stopped
    fi
  }
  atomic {
    if
    :: move == aborting && moveToken == token -> move = none
    :: else
    fi
  }

stopped:
  if
  :: goto begin
  :: skip
  fi;
over:
  running--;
}

/* Gives the user a home: a move from nowhere. */
proctype Admitter() {
  byte token, target; bit law;
begin:
  atomic {
    if
    :: user == unknown && lives < 1 + life ->
      law = generation;
      if
      :: permits(0, law) -> target = 0
      :: permits(1, law) -> target = 1
      fi;
      lives++; serials++; token = serials; user = admitting; at = target; atSerial = token;
    :: user == admitting && takeovers < TAKEOVERS ->
      takeovers++; serials++; token = serials; atSerial = token; law = generation; target = at;
    :: else -> goto over
    fi
  }
  if
  :: permits(target, law) -> skip
  :: else ->
    atomic {
      if
      :: fence(target) <= token && (home[target].state == none || home[target].state == absent || home[target].state == incoming) ->
        home[target].state = absent; home[target].serial = token
      :: else -> goto over
      fi
    }
    atomic {
      if
      :: user == admitting && atSerial == token -> at = 1 - target; target = at
      :: else -> goto over
      fi
    }
  fi;
  atomic {
    if
    :: !inForce(target, law) || !permits(target, law) -> goto over
    :: else ->
      if
      :: ((home[target].state == none && token > floor_[target]) || home[target].state == absent || home[target].state == incoming ||
          (home[target].state == erased && home[target].value == 0 && home[target].serial < token)) &&
          (fence(target) <= token || M(15)) ->
        home[target].state = incoming; home[target].serial = token; home[target].token = 0;
      :: else -> goto over
      fi
    fi
  }
  atomic {
    if
    :: user == admitting && (atSerial == token || M(16)) && at == target && generation == law ->
      user = placed; atSerial = token; check();
    :: else -> goto over
    fi
  }
  atomic {
    if
    :: home[target].state == incoming && home[target].serial == token -> home[target].state = opened; check();
    :: else
    fi
  }
over:
  running--;
}

/* Erases the user: every home that the directory names. */
proctype Eraser() {
  byte token, s, other, n;
  atomic {
    if
    :: user == unknown -> goto over
    :: else -> 
      serials++; token = serials; erasure = token; user = erasing; s = at; other = NOWHERE;
      if
      :: move != none ->
        other = (s == moveSource -> moveTarget : moveSource);
        if :: M(17) :: else -> moveToken = token fi;
      :: else
      fi;
    fi
  }
  atomic {
    if
    :: other != NOWHERE && !M(19) ->
      if
      :: fence(other) <= token -> clear(other); home[other].state = absent; home[other].token = 0;
        if :: M(20) :: else -> home[other].serial = token fi;
      :: else -> goto over
      fi
    :: else
    fi
  }
  atomic {
    if
    :: fence(s) <= token -> home[s].state = erased; home[s].serial = token; home[s].token = 0; check();
    :: else -> goto over
    fi
  }
  atomic { home[s].state == erased && home[s].serial == token -> clear(s) }
  atomic {
    user = unknown; at = NOWHERE; erasure = 0; move = none; acknowledged = 0;
    isGone = (life == 0); life = 1;
    check();
  }
over:
  running--;
}

/* Applies a policy that forbids one shard. */
proctype Applier() {
  if :: forbidden = 0 :: forbidden = 1 fi;
  generation = 1;
  if
  :: atomic { stamped[0] = 1 }; atomic { stamped[1] = 1 }
  :: atomic { stamped[1] = 1 }; atomic { stamped[0] = 1 }
  fi;
  applied = 1;
  running--;
}

/* When all have stopped somebody comes by and finishes what is left: it must come to an end, with one home. */
proctype Finisher() {
  byte s, t;
  running == 0;
  atomic {
    serials++; moveToken = serials;
    s = moveSource; t = moveTarget;
    stamped[0] = generation; stamped[1] = generation;
    if
    :: user == placed && move == flipped ->
      if :: home[t].state == incoming && home[t].serial == moveSerial -> home[t].state = opened :: else fi;
      assert(home[t].serial == moveSerial && home[t].state == opened);
      assert(home[s].state == frozen || home[s].state == moved);
      clear(s); home[s].state = moved; move = none;
    :: user == placed && move != flipped && move != none ->
      assert(fence(t) <= moveToken && !accepts(t));
      clear(t); home[t].state = absent;
      assert(accepts(s) || home[s].state == frozen);
      home[s].state = opened; move = none;
    :: else
    fi;
    if
    :: user == placed ->
      if :: home[at].state == incoming && home[at].serial == atSerial -> home[at].state = opened :: else fi;
      assert(home[at].serial == atSerial && accepts(at));
      assert(home[at].value == acknowledged);
      assert(home[1 - at].value == 0);
    :: user == unknown && ADMITTERS == 0 ->
      assert(home[0].value == 0 && home[1].value == 0);
    :: else
    fi;
    check();
  }
}

init {
  byte n;
  atomic {
    if
    :: ADMITTERS == 0 ->
      user = placed; at = 0; atSerial = 1; home[0].state = opened; home[0].serial = 1; lives = 1;
    :: else
    fi;
    running = MOVERS + ADMITTERS + 1;
    n = 0; do :: n < MOVERS -> run Mover(); n++ :: else -> break od;
    n = 0; do :: n < ADMITTERS -> run Admitter(); n++ :: else -> break od;
    run Writer();
#ifdef ERASER
    running++; run Eraser();
#endif
#ifdef POLICY
    running++; run Applier();
#endif
    run Finisher();
  }
}
